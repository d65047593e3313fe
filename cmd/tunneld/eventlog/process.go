package eventlog

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/config/errno"
	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/monitor"
)

const (
	answerTime = 2 * time.Second        // in which a process has to tell what there is
	againTime  = 250 * time.Millisecond // until one that has stopped telling is asked again: it lets go of those who are slow
)

// What a process may say: it may be another user's, or not a tunneld at all.
const (
	maxLine   = 8 << 20 // bytes
	maxValues = 10_000  // objects of a line
)

var (
	errSilent  = errors.New("the process does not answer")
	errStrange = errors.New("what the process says is not understood")
	errUnknown = errors.New("it has ended, or its process is too old to tell")
)

// ErrGone is that a process has ended, and has not told how: it was killed, or has crashed.
var ErrGone = errors.New("the process has ended without a word")

// Process is a running one, of which tunnels are wanted.
type Process struct {
	get  func(ctx context.Context, query url.Values) (*http.Response, error)
	left []string          // names of the tunnels that have not ended
	seen map[string]uint64 // by name: the number of the last event that was told
}

// NewProcess returns one of which the tunnels of these names are wanted. get asks it for /log; the body is closed here.
func NewProcess(names []string, get func(context.Context, url.Values) (*http.Response, error)) *Process {
	return &Process{get: get, left: slices.Clone(names), seen: make(map[string]uint64)}
}

// answer is what a process tells.
type answer struct {
	process *Process
	cancel  context.CancelFunc
	body    io.ReadCloser
	lines   *bufio.Scanner
	first   []Line // of each tunnel
}

// ask asks the process, and waits until it has told what there is. Whoever gets the answer closes it.
func (p *Process) ask(ctx context.Context, follow bool) (*answer, error) {
	names := strings.Join(p.left, " ")
	limited, cancel := context.WithCancel(ctx)
	late := time.AfterFunc(answerTime, cancel)
	a, err := p.begin(limited, follow)
	switch inTime := late.Stop(); {
	case err == nil && inTime:
		a.cancel = cancel
		return a, nil
	case err == nil:
		a.body.Close()
		err = errSilent
	case !inTime && ctx.Err() == nil:
		err = errSilent
	case errors.Is(err, errno.Refused), errors.Is(err, syscall.ENOENT), errors.Is(err, errno.Reset):
		err = ErrGone
	}
	cancel()
	return nil, &exit.Error{Code: exit.GaveUp, Err: fmt.Errorf("%s: %w", names, err)}
}

func (p *Process) begin(ctx context.Context, follow bool) (*answer, error) {
	query := url.Values{"tunnel": p.left}
	for _, name := range p.left {
		query.Add("after", strconv.FormatUint(p.seen[name], 10))
	}
	if follow {
		query.Set("follow", "")
	}
	response, err := p.get(ctx, query)
	if err != nil {
		return nil, err
	}
	a := &answer{process: p, body: response.Body, lines: bufio.NewScanner(response.Body)}
	a.lines.Buffer(nil, maxLine)
	if response.StatusCode != http.StatusOK {
		a.body.Close()
		return nil, errUnknown
	}
	for range len(p.left) {
		line, ok := a.next()
		if !ok {
			a.body.Close()
			return nil, cmp.Or(a.lines.Err(), errStrange)
		}
		a.first = append(a.first, line)
	}
	return a, nil
}

// next returns the next line, without what was told before; false: there is none.
func (a *answer) next() (line Line, ok bool) {
	p := a.process
	if !a.lines.Scan() || bytes.Count(a.lines.Bytes(), []byte("{")) > maxValues || json.Unmarshal(a.lines.Bytes(), &line) != nil {
		return Line{}, false
	}
	foreign.Strings(&line)
	if !slices.Contains(p.left, line.Name) {
		return Line{}, false
	}
	seen := p.seen[line.Name]
	if line.Last < seen { // it counts anew
		seen = 0
	}
	line.Events = slices.DeleteFunc(line.Events, func(e monitor.Event) bool { return e.Number <= seen })
	if p.seen[line.Name] = line.Last; line.Over {
		p.left = slices.DeleteFunc(p.left, func(name string) bool { return name == line.Name })
	}
	return line, true
}

func (a *answer) close() {
	a.cancel()
	a.body.Close()
}

// follow sends what a process tells after the first lines of its answer, and closes that. It returns nil when all tunnels have ended.
func (p *Process) follow(ctx context.Context, a *answer, to chan<- []Line) error {
	for {
		for line, ok := a.next(); ok; line, ok = a.next() {
			send(ctx, to, []Line{line})
		}
		a.close()
		if len(p.left) > 0 {
			select {
			case <-time.After(againTime):
			case <-ctx.Done():
			}
		}
		if len(p.left) == 0 || ctx.Err() != nil {
			return nil
		}
		var err error
		if a, err = p.ask(ctx, true); err != nil {
			return err
		}
		send(ctx, to, a.first)
	}
}

func send(ctx context.Context, to chan<- []Line, lines []Line) {
	select {
	case to <- lines:
	case <-ctx.Done():
	}
}
