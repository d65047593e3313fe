package pkcs11

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/config/procgroup"
)

// program is the helper's name.
const program = "ssh-pkcs11-helper"

// maxMessage is the longest message that is taken from the helper, as in OpenSSH's ssh-pkcs11-client.c.
const maxMessage = 256 << 10

// heirs is how long a child of the helper is waited for that has its standard error.
const heirs = 100 * time.Millisecond

// places are directories where distributions put the programs of OpenSSH that nobody types.
var places = []string{
	"/usr/lib/openssh", "/usr/libexec/openssh", "/usr/libexec", "/usr/lib/ssh", "/usr/local/libexec", "/opt/homebrew/opt/openssh/libexec",
}

// find returns the path of the helper: what SSH_PKCS11_HELPER names, as for ssh, or else that of the system.
func find() (string, error) {
	if named := os.Getenv("SSH_PKCS11_HELPER"); named != "" {
		path, err := exec.LookPath(named)
		if err != nil {
			return "", &MissingError{Program: named, Err: errNotFound(err)}
		}
		return path, nil
	}
	directories := places
	if ssh, err := exec.LookPath("ssh"); err == nil {
		if real, err := filepath.EvalSymlinks(ssh); err == nil {
			directories = append([]string{filepath.Join(filepath.Dir(real), "..", "libexec")}, places...)
		}
	}
	for _, directory := range directories {
		if path, err := exec.LookPath(filepath.Join(directory, program)); err == nil {
			return path, nil
		}
	}
	return "", &MissingError{Program: program, Err: exec.ErrNotFound}
}

// errNotFound returns err without the path, which the message names already.
func errNotFound(err error) error {
	if lookup := new(exec.Error); errors.As(err, &lookup) {
		return lookup.Err
	}
	return err
}

var errEnded = errors.New("has ended")

// helper is a running helper. It serves one request at a time.
type helper struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   io.ReadCloser
	said  *words
	close func()
}

// start starts a helper. pin is kept out of what it writes.
func start(pin string) (*helper, error) {
	path, err := find()
	if err != nil {
		return nil, err
	}
	h := &helper{cmd: exec.Command(path, "-v"), said: &words{secret: pin}} // without -v it writes to syslog alone
	h.cmd.Stderr, h.cmd.WaitDelay = h.said, heirs
	procgroup.Lead(h.cmd)
	if h.in, err = h.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if h.out, err = h.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := h.cmd.Start(); err != nil {
		return nil, &MissingError{Program: path, Err: err}
	}
	h.close = sync.OnceFunc(h.end)
	return h, nil
}

// end kills the helper with whatever it has started.
func (h *helper) end() {
	procgroup.Kill(h.cmd)
	h.in.Close()
	h.out.Close()
	h.cmd.Wait()
}

// ask sends a request and returns the answer, which has at least one byte. A helper that takes longer than limit, or whose ctx ends,
// is killed; after any error the helper is of no use.
func (h *helper) ask(ctx context.Context, limit time.Duration, request []byte) ([]byte, error) {
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	stop := context.AfterFunc(bounded, h.close)
	defer stop()
	answer, err := h.exchange(request)
	switch {
	case err == nil:
		return answer, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case bounded.Err() != nil:
		return nil, &HelperError{Err: fmt.Errorf("does not answer within %v", limit)}
	}
	h.close() // all that it said is there then
	return nil, &HelperError{Err: err, Said: h.said.last()}
}

func (h *helper) exchange(request []byte) ([]byte, error) {
	frame := binary.BigEndian.AppendUint32(nil, uint32(len(request)))
	if _, err := h.in.Write(append(frame, request...)); err != nil {
		return nil, errEnded
	}
	var length [4]byte
	if _, err := io.ReadFull(h.out, length[:]); err != nil {
		return nil, errEnded
	}
	size := binary.BigEndian.Uint32(length[:])
	if size == 0 || size > maxMessage {
		return nil, fmt.Errorf("sends a message of %d bytes", size)
	}
	answer := make([]byte, size)
	if _, err := io.ReadFull(h.out, answer); err != nil {
		return nil, errEnded
	}
	return answer, nil
}

// words keeps the last line that is written to it and is no debugging.
type words struct {
	secret string // is not shown; may be empty

	mu   sync.Mutex
	line []byte // that has not ended yet
	kept string
}

// maxLine is how much is kept of a line.
const maxLine = 1 << 10

// Write implements io.Writer.
func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for part := range bytes.Lines(p) {
		text, ended := bytes.CutSuffix(part, []byte("\n"))
		w.line = append(w.line, text[:min(len(text), maxLine-len(w.line))]...)
		if ended {
			w.keep()
		}
	}
	return len(p), nil
}

func (w *words) keep() {
	line := strings.TrimSpace(string(w.line))
	w.line = w.line[:0]
	if line != "" && !strings.HasPrefix(line, "debug") {
		w.kept = line
	}
}

// last returns the line.
func (w *words) last() foreign.Text {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := cmp.Or(w.kept, strings.TrimSpace(string(w.line)))
	if w.secret != "" {
		text = strings.ReplaceAll(text, w.secret, "…")
	}
	return foreign.Line(text)
}
