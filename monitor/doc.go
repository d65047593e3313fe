// Package monitor keeps a tunnel up and says how it is.
//
// A Monitor makes sessions through a Tunnel, watches them, and makes the next. Each of TunneldConnections slots holds one
// session and is supervised by a loop of its own (slot.go); one function, supervise in supervise.go, shows the whole life of a
// session. Probes are plain state machines over time (keepalive.go, echo.go) without goroutines or locks; what they need to
// know is handed to them, so that all timing is tested under testing/synctest.
//
// Three things go beyond the loop of the design.
//
// A connection that stops answering is not only waited for: as soon as it is suspect, a new one is tried beside it. If the
// old one answers first the attempt is dropped; if the new one is up first, new channels go there, and the old one goes on
// as any other that was replaced, because it may only be late. A connection whose path is gone (a NAT that forgot it, an
// address that changed) is thus replaced long before the keepalives have run out, and a cable that was out for ten seconds
// costs nobody his transfers.
//
// Slots after the first begin when the first session of the tunnel is up, so that a refused key is refused once, and a
// person is asked once.
//
// A session shorter than ten seconds settles the backoff in proportion, and its time counts towards the wait before the next:
// attempts are spaced all the same, and a server that accepts and hangs up cannot make us spin, but a session that is cut
// every few seconds comes back at once each time.
package monitor
