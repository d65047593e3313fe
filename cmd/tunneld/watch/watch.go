package watch

import (
	"context"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/tunneld/tunneld/cmd/tunneld/view"
	"github.com/tunneld/tunneld/monitor"
)

const (
	lookEvery  = time.Second
	escapeTime = 50 * time.Millisecond // after which an ESC is a key, and not the start of a sequence
)

// Look returns how the tunnels are, and in lines for people what is missing.
type Look func(context.Context) (report monitor.Report, problems string)

// Run shows how the tunnels are until q or Ctrl-C is typed, a signal asks for the end, or ctx is done. out is a terminal; keys are
// read where in is one, too. The terminal is left as it was.
func Run(ctx context.Context, in, out *os.File, color bool, look Look) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal is not waited for
	changed := make(chan os.Signal, 4)
	notifyChanges(changed)
	defer signal.Stop(changed)
	var looking sync.WaitGroup
	defer looking.Wait()
	defer stop()
	reports := make(chan shown)
	looking.Go(func() { lookOn(ctx, look, reports) })
	t := &terminal{in: in, out: out}
	if err := t.enter(); err != nil {
		return err
	}
	defer t.leave()
	return t.show(ctx, &screen{color: color}, reports, changed)
}

// shown is what a Look returned.
type shown struct {
	report   monitor.Report
	problems string
}

// lookOn sends what look returns, each second. A look may take its time.
func lookOn(ctx context.Context, look Look, reports chan<- shown) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		report, problems := look(ctx)
		select {
		case reports <- shown{report, problems}:
		case <-ctx.Done():
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// terminal is the terminal that the screen is on.
type terminal struct {
	in, out *os.File
	before  *term.State // of in; nil: it is no terminal
}

const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l" // the alternate screen, without a cursor; what is too wide is not wrapped
	leaveScreen = "\x1b[?7h\x1b[?25h\x1b[?1049l"
)

// enter takes the terminal over.
func (t *terminal) enter() error {
	if term.IsTerminal(int(t.in.Fd())) {
		before, err := term.MakeRaw(int(t.in.Fd()))
		if err != nil {
			return err
		}
		if t.before == nil {
			t.before = before
		}
	}
	if err := understandEscapes(t.out); err != nil {
		return err
	}
	_, err := io.WriteString(t.out, enterScreen)
	return err
}

// leave gives the terminal back as it was.
func (t *terminal) leave() {
	io.WriteString(t.out, leaveScreen)
	if t.before != nil {
		term.Restore(int(t.in.Fd()), t.before)
	}
}

// show draws the screen and does what keys and signals ask for, until the end.
func (t *terminal) show(ctx context.Context, s *screen, reports <-chan shown, changed <-chan os.Signal) error {
	var typed []byte
	var keys chan []byte
	if t.before != nil {
		keys = make(chan []byte)
		go readKeys(t.in, keys) // it ends with the process: a read of a terminal cannot be ended
	}
	for {
		if !s.at.IsZero() { // else nothing is known yet
			if err := t.draw(s); err != nil {
				return err
			}
		}
		var escaped <-chan time.Time
		if len(typed) > 0 {
			escaped = time.After(escapeTime)
		}
		complete := false
		select {
		case <-ctx.Done():
			return nil
		case r := <-reports:
			s.take(r.report, r.problems)
			continue
		case sig := <-changed:
			if isContinue(sig) {
				if err := t.enter(); err != nil {
					return err
				}
			}
			continue
		case more, ok := <-keys:
			if !ok {
				return nil // the terminal has gone
			}
			typed = append(typed, more...)
		case <-escaped:
			complete = true
		}
		var quit bool
		if typed, quit = t.press(s, typed, complete, changed); quit {
			return nil
		}
	}
}

// press does what the keys are for that were typed, and returns the start of one that is not complete.
func (t *terminal) press(s *screen, typed []byte, complete bool, changed <-chan os.Signal) (rest []byte, quit bool) {
	for len(typed) > 0 {
		k, rest := nextKey(typed, complete)
		if len(rest) == len(typed) {
			return rest, false
		}
		typed = rest
		if k == keyStop {
			t.stop(changed)
		}
		if s.press(k) {
			return nil, true
		}
	}
	return nil, false
}

func (t *terminal) draw(s *screen) error {
	var err error
	if s.width, s.height, err = term.GetSize(int(t.out.Fd())); err != nil || s.width <= 0 || s.height <= 0 { // a serial line may not know
		s.width, s.height = 80, 24
	}
	_, err = io.WriteString(view.InLocale(t.out, os.Getenv), s.text())
	return err
}

// readKeys sends what is typed, and closes keys at the end of it.
func readKeys(in io.Reader, keys chan<- []byte) {
	defer close(keys)
	for {
		buffer := make([]byte, 64)
		n, err := in.Read(buffer)
		if err != nil {
			return
		}
		keys <- buffer[:n]
	}
}
