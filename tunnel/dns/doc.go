// Package dns answers DNS over UDP for those who ask here, and asks a server elsewhere over streams that somebody else carries:
// to whom it is given, a Listener is one whose clients speak DNS over TCP (RFC 7766), a few at a time, with the queries of
// all who ask one after the other on each.
//
// It keeps nothing: no answer is remembered, none is believed that is not one to a question which was asked, and none is larger than
// who asked has room for. Who asks too much, and whoever answers falsely or not at all, costs a bounded time and a bounded memory.
package dns
