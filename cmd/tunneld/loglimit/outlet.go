package loglimit

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"
)

// Outlet is where a log is written to that may take nothing for a while, or for ever: a pipe whose reader has stopped, a terminal
// held by Ctrl-S, a file on a network file system. Whoever writes waits a moment for it, but not while it is known to take nothing:
// what is written then waits in memory, and beyond that it is counted. Lines are taken in the order in which they were written.
type Outlet struct {
	w io.Writer

	mu      sync.Mutex // guards all following fields; not held while w is written to
	held    []byte     // what w is to take next
	lost    int        // lines for which there was no room
	note    func(lost int) []byte
	written chan struct{} // closed when w has taken all; nil: it has
	late    bool          // somebody has waited in vain since then
}

// outletTime is how long a write waits for w.
const outletTime = time.Second

// mostHeld is how much is kept for w, in bytes.
const mostHeld = 64 << 10

// NewOutlet returns an Outlet before w, whose errors are not seen.
func NewOutlet(w io.Writer) *Outlet { return &Outlet{w: w, note: plainNote} }

func plainNote(lost int) []byte {
	return fmt.Appendf(nil, "%d lines left out: nobody took them\n", lost)
}

// Note has the line that says how many were left out be made by note, for a log whose lines are not plain text.
func (o *Outlet) Note(note func(lost int) []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.note = note
}

// Fd returns w's descriptor, for who asks whether it is a terminal; where it has none, a number that is no descriptor.
func (o *Outlet) Fd() uintptr {
	if file, ok := o.w.(interface{ Fd() uintptr }); ok {
		return file.Fd()
	}
	return ^uintptr(0)
}

// Write implements io.Writer. It has no error, and returns when w has taken text, or after a moment.
func (o *Outlet) Write(text []byte) (int, error) {
	written, waits := o.hold(text)
	if !waits {
		return len(text), nil
	}
	o.await(written)
	return len(text), nil
}

// Flush returns when w has taken all that was written, or after a moment: it is for the end of the process.
func (o *Outlet) Flush() {
	o.mu.Lock()
	written := o.written
	o.mu.Unlock()
	if written != nil {
		o.await(written)
	}
}

func (o *Outlet) await(written chan struct{}) {
	timer := time.NewTimer(outletTime)
	defer timer.Stop()
	select {
	case <-written:
	case <-timer.C:
		o.giveUp(written)
	}
}

// hold adds text to what w is to take. It returns what is closed when w has taken it, and whether that is to be waited for.
func (o *Outlet) hold(text []byte) (written chan struct{}, waits bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.held) > 0 && len(o.held)+len(text) > mostHeld {
		o.lost += max(1, bytes.Count(text, []byte("\n")))
		return o.written, !o.late
	}
	o.held = append(o.held, text...)
	if o.written == nil {
		o.written = make(chan struct{})
		go o.pass(o.written)
	}
	return o.written, !o.late
}

// giveUp notes that w takes nothing, unless it has by now.
func (o *Outlet) giveUp(written chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.written == written {
		o.late = true
	}
}

// pass writes what is held, until nothing is. It ends with the process where w never takes it: nothing else can end such a write.
func (o *Outlet) pass(written chan struct{}) {
	defer close(written)
	for text := o.next(); len(text) > 0; text = o.next() {
		o.w.Write(text)
	}
}

func (o *Outlet) next() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lost > 0 {
		o.held = append(o.held, o.note(o.lost)...)
	}
	text := o.held
	o.held, o.lost = nil, 0
	if len(text) == 0 {
		o.written, o.late = nil, false
	}
	return text
}
