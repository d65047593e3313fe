// Package interactive runs one shell, command or subsystem (RFC 4254 §6) over a channel of type "session" and three files.
//
// It is for whoever has the files: the process's own for the autossh front, those that a client passed for a ControlMaster.
// Files are shared with others, such as the user's shell: their flags are never changed, and nothing reads or writes them
// once Run has returned. The terminal among them is left as it was found, however the session ends.
//
// The door is narrow both ways: a Channel comes from the tunnel, and knows nothing of terminals; here nothing is known of
// connections but that they may end.
package interactive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config/foreign"
)

// Channel is an open channel of type "session" and what is known of the connection under it. Read and Stderr have to be read
// to the end at the same time, since they share a window, and so has Requests. Calls into it may hang for longer than the
// connection lives; Run does not wait for them then.
type Channel interface {
	io.ReadWriter
	io.Closer          // does not block, and may be called more than once
	CloseWrite() error // is called by whoever writes
	Stderr() io.Reader
	Requests() <-chan *ssh.Request // closed when the server has closed the channel, or the connection has ended
	SendRequest(name string, wantReply bool, payload []byte) (bool, error)

	Lost() <-chan struct{}          // closed when the connection has ended
	Err() error                     // why; nil until Lost is closed
	Lives(ctx context.Context) bool // reports whether the connection lives after all that was read: an EOF alone is no proof
}

// Request is what is asked of the server, and how the session is to behave.
type Request struct {
	Command   string   // for the user's shell there; empty: a login shell
	Subsystem bool     // Command is the name of a subsystem
	Env       []string // NAME=value; the server takes those that it allows

	Terminal bool   // ask for a pseudo terminal, with the modes and the size of Files.In where that is a terminal
	Term     string // TERM
	Raw      bool   // put Files.In into raw mode for as long as the session lasts, which ends with it; the client of a ControlMaster does so itself
	Escape   byte   // EscapeChar, which has a meaning with Terminal alone; 0: none
	Shared   bool   // the connection is a ControlMaster's: escapes have the words that ssh has for its clients
	Agent    bool   // ask the server for a forwarded agent; the connection has to serve what comes of it

	NoInput bool   // Files.In is not read: the server sees the end of the input at once
	Host    string // whose name the closing words "Connection to HOST closed." have after a session with Terminal; empty: none are said

	// What follows may be nil.
	Refused     func()                // no pseudo terminal was given; in place of the words that ssh has for it on Files.Err
	Connections func() []foreign.Text // what ~# lists
	Suspend     func()                // what ~^Z does, with the terminal as it was found; see SuspendProcess
}

// Files are the three of the session. Run does not close them. One that is nil is as /dev/null.
type Files struct{ In, Out, Err *os.File }

// Result is how a session ended.
type Result struct {
	Status int          // what ssh exits with: the command's own status, or StatusNone
	Signal foreign.Text // that killed the command, such as "TERM"; empty: none did
}

// StatusNone is the status of a session whose command left none: it was killed, refused or cut off.
const StatusNone = 255

var (
	// ErrLost says that the connection ended before the session did.
	ErrLost = errors.New("the ssh connection was lost")

	// ErrDisconnected says that the person at the terminal typed ~. and so wanted the session to end.
	ErrDisconnected = errors.New("disconnected by the escape character")

	// ErrHungUp says that the terminal was closed on which a person worked.
	ErrHungUp = errors.New("the terminal was closed")

	// ErrNoStatus says that the server ended the session and did not say how the command had ended.
	ErrNoStatus = errors.New("the server ended the session without an exit status")
)

// RefusedError says that the server did not start what was asked for.
type RefusedError struct {
	Request string // shell, exec or subsystem
}

func (e *RefusedError) Error() string { return e.Request + " request failed" }

// Run opens a channel, runs the session to its end, and returns how it ended. The modes of the terminal are read before open
// is called: a client may change them as soon as it hears that the channel is open. Files.In is read until the session
// ends, and is not read ahead of what the server takes.
//
// The error is ErrLost with its cause, ErrDisconnected, ErrHungUp, ErrNoStatus, a *RefusedError, what open returned, or ctx's cause; in
// all these cases the status is StatusNone. Where ctx ends, the server is told by closing the channel, as by ssh that is killed.
func Run(ctx context.Context, open func(context.Context) (Channel, error), r Request, f Files) (Result, error) {
	tty := terminalOf(f.In)
	ch, err := open(ctx)
	if err != nil {
		return Result{Status: StatusNone}, err
	}
	s, err := newSession(ch, r, f, tty)
	if err != nil {
		ch.Close()
		return Result{Status: StatusNone}, err
	}
	defer s.end()
	return s.run(ctx)
}

// lost names the end of the connection.
func lost(cause error) error {
	if cause == nil {
		return ErrLost
	}
	return fmt.Errorf("%w: %w", ErrLost, cause)
}
