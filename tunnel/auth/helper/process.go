package helper

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/config/procgroup"
)

// maxAnswer is the longest answer that is taken, in bytes, as OpenSSH takes it (ssh-pkcs11-client.c, msg.c).
const maxAnswer = 256 << 10

// Program is a helper that can be started.
type Program struct {
	Path   string
	Secret string       // what it is given and may not be shown of its words, such as a PIN; may be empty
	Noted  string       // lines of its standard error that have this in them are noted; empty: none
	Log    *slog.Logger // gets what it says on standard error, for debugging
}

// Process is a running helper. It serves one request at a time.
type Process struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   io.ReadCloser
	close func()

	said  *words
	ear   *os.File      // the end of its standard error that is read
	mouth *os.File      // the other one, which is ours as well: see listen
	deaf  chan struct{} // closed when ear is read no more

	listening sync.Mutex // held by the one whose mark is on its way
}

// Start runs the program. The caller closes the result.
func (p Program) Start() (*Process, error) {
	ear, mouth, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	h := &Process{
		cmd:  exec.Command(p.Path, "-v"), // without it they write to syslog alone, or go away and say nothing
		said: &words{program: p, mark: make(chan struct{}, 1)},
		ear:  ear, mouth: mouth, deaf: make(chan struct{}),
	}
	h.cmd.Stderr = mouth
	procgroup.Lead(h.cmd)
	if err := h.start(); err != nil {
		ear.Close()
		mouth.Close()
		return nil, err
	}
	h.close = sync.OnceFunc(h.end)
	go func() {
		defer close(h.deaf)
		defer ear.Close() // whoever says too much is not heard any more
		io.Copy(h.said, ear)
	}()
	return h, nil
}

func (h *Process) start() (err error) {
	if h.in, err = h.cmd.StdinPipe(); err != nil {
		return err
	}
	if h.out, err = h.cmd.StdoutPipe(); err != nil {
		h.in.Close()
		return err
	}
	return h.cmd.Start()
}

// Close kills the helper with whatever it has started, and waits for its end. What it has said can still be asked for.
func (h *Process) Close() { h.close() }

func (h *Process) end() {
	procgroup.Kill(h.cmd)
	h.in.Close()
	h.out.Close()
	h.cmd.Wait()
	h.listen()
	h.mouth.Close()
	h.ear.Close() // what it has started and is not of its group may have the other end
	<-h.deaf
}

// ErrEnded says that a helper has ended without an answer.
var ErrEnded = errors.New("has ended")

// SlowError is a helper that was killed because it took too long.
type SlowError struct{ Limit time.Duration }

func (e *SlowError) Error() string { return fmt.Sprintf("does not answer within %v", e.Limit) }

// SizeError is an answer that is empty or too long.
type SizeError struct{ Bytes uint32 }

func (e *SizeError) Error() string { return fmt.Sprintf("sends a message of %d bytes", e.Bytes) }

// Ask puts a request to the helper and returns the answer, which has at least one byte. A helper that takes longer than limit, or whose
// ctx ends, is killed. The error is the cause of ctx, ErrEnded, a *SlowError or a *SizeError, and after any of them the helper has
// ended.
func (h *Process) Ask(ctx context.Context, limit time.Duration, request []byte) ([]byte, error) {
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	defer context.AfterFunc(bounded, h.close)()
	answer, err := h.exchange(request)
	if err == nil {
		return answer, nil
	}
	late := bounded.Err() != nil
	h.close()
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case late:
		return nil, &SlowError{limit}
	}
	return nil, err
}

// exchange sends a request and reads the answer, each a length and so many bytes.
func (h *Process) exchange(request []byte) ([]byte, error) {
	frame := binary.BigEndian.AppendUint32(nil, uint32(len(request)))
	h.in.Write(append(frame, request...)) // where it cannot be sent, the answer may say why, or its end does
	return read(h.out)
}

// read reads one answer.
func read(r io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, ErrEnded
	}
	size := binary.BigEndian.Uint32(length[:])
	if size == 0 || size > maxAnswer {
		return nil, &SizeError{size}
	}
	answer := make([]byte, size)
	if _, err := io.ReadFull(r, answer); err != nil {
		return nil, ErrEnded
	}
	return answer, nil
}

// Last returns the last line that the helper has said so far and that is no debugging; empty: none. What it said before it answered is
// there.
func (h *Process) Last() foreign.Text {
	h.listen()
	return h.said.last()
}

// Noted returns what followed Program.Noted in the lines that the helper has said so far, as it is. What it said before it answered is
// there.
func (h *Process) Noted() []string {
	h.listen()
	return h.said.noted()
}

// listen waits until all is heard that was said before. A mark in the stream shows it, which is put there by us: an answer on another
// stream tells nothing of this one.
func (h *Process) listen() {
	h.listening.Lock()
	defer h.listening.Unlock()
	select {
	case <-h.said.mark: // of somebody else
	default:
	}
	if _, err := h.mouth.Write([]byte{mark}); err != nil {
		return // the helper has ended, and all was heard; or it has said too much
	}
	select {
	case <-h.said.mark:
	case <-h.deaf:
	}
}
