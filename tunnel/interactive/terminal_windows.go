package interactive

import (
	"os"
	"sync"

	console "golang.org/x/term"
)

// terminal is Files.In where that is a console. A nil terminal has no modes and no size, and cannot be changed.
type terminal struct {
	file   *os.File
	before *console.State // as it was found

	mu   sync.Mutex // guards the following; held during all calls
	raw  bool
	over bool // it is not ours any more
}

// terminalOf returns nil where file is no console.
func terminalOf(file *os.File) *terminal {
	if file == nil {
		return nil
	}
	before, err := console.GetState(int(file.Fd()))
	if err != nil {
		return nil
	}
	return &terminal{file: file, before: before}
}

// size returns what the window of standard output has now; zero where that is not known: a console's input has none.
func (t *terminal) size() (s size) {
	if t == nil {
		return s
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if columns, rows, err := console.GetSize(int(os.Stdout.Fd())); err == nil && !t.over {
		s.Columns, s.Rows = uint32(columns), uint32(rows)
	}
	return s
}

// gone is false: the system ends the programs of a console that is closed.
func (t *terminal) gone() bool { return false }

// modes returns none: a console has other ones.
func (t *terminal) modes() []byte { return []byte{0} } // TTY_OP_END

// makeRaw passes every key on as it is.
func (t *terminal) makeRaw() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over {
		_, err := console.MakeRaw(int(t.file.Fd()))
		t.raw = err == nil
	}
}

// letGo restores the console, and does not touch it any more.
func (t *terminal) letGo() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.restoreLocked()
	t.over = true
}

// restore leaves the console as it was found. It may be called more than once.
func (t *terminal) restore() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.restoreLocked()
}

func (t *terminal) restoreLocked() {
	if t.raw {
		t.raw = false
		console.Restore(int(t.file.Fd()), t.before)
	}
}

// notifySize does nothing: no signal tells of a new size.
func notifySize(chan<- os.Signal) {}

// SuspendProcess does nothing: no process is stopped from its keyboard there.
func SuspendProcess() {}
