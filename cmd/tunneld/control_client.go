package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/cmd/tunneld/rundir"
	"github.com/tunneld/tunneld/config/errno"
	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/monitor"
)

// What a process may answer: it may be another user's, or not a tunneld at all. A tunnel takes a few KiB in a report.
const (
	maxReport       = 8 << 20  // bytes
	maxReportValues = 50_000   // objects
	maxReportHeader = 16 << 10 // bytes
)

const (
	mostAsked  = 8                  // processes are asked at once: each may answer with maxReport bytes
	searchTime = 5 * rundir.AskTime // after which no more are asked: somebody may have put hundreds of silent sockets there
)

// errLongAnswer is the end of an answer that has none.
var errLongAnswer = errors.New("the answer is too long")

// instance is a running process as its control socket shows it.
type instance struct {
	socket string
	owner  string // the user whose process it is; empty: ours, or a service's
	client *http.Client
	report controlReport
}

func newInstance(socket string) *instance {
	return dialInstance(socket, func(ctx context.Context) (net.Conn, error) { return rundir.DialSocket(ctx, socket) })
}

func dialInstance(socket string, dial func(context.Context) (net.Conn, error)) *instance {
	dialAny := func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }
	return &instance{socket: socket, client: &http.Client{
		Transport:     &http.Transport{DialContext: dialAny, DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: maxReportHeader},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// errHidden is that there may be tunnels that only root is shown.
var errHidden = errors.New("tunnels of others are shown to them and to root")

// findInstances asks every control socket of ours and, where we may, of services. What cannot be asked is told in problems; sockets
// that nobody listens on are passed over.
func findInstances(ctx context.Context) (found []*instance, problems []error) {
	var sockets []string
	for _, place := range rundir.SearchedDirectories(os.Getenv, rundir.InstanceDirectories) {
		list, err := place.Sockets()
		switch {
		case errors.Is(err, os.ErrPermission) && !place.Given:
			problems = append(problems, errHidden)
		case err != nil:
			problems = append(problems, err)
		}
		sockets = append(sockets, list...)
	}
	instances := make([]*instance, len(sockets))
	failures := askAll(sockets, func(i int, socket string) error {
		d := newInstance(socket)
		err := d.ask(ctx)
		if err == nil {
			instances[i] = d
		}
		return err
	})
	found = slices.DeleteFunc(instances, func(d *instance) bool { return d == nil || d.report.PID == 0 })
	slices.SortStableFunc(found, func(a, b *instance) int { return cmp.Compare(filepath.Base(a.socket), filepath.Base(b.socket)) })
	return found, append(problems, failures...)
}

// askAll calls ask for each socket, a few at once, and returns what has failed. Those of other users are the last.
func askAll(sockets []string, ask func(i int, socket string) error) []error {
	failures := make([]error, len(sockets))
	var all sync.WaitGroup
	slots := make(chan struct{}, mostAsked)
	late := time.After(searchTime)

asking:
	for i, socket := range sockets {
		select {
		case slots <- struct{}{}:
		case <-late:
			failures[i] = &exit.Error{Code: exit.GaveUp,
				Err: fmt.Errorf("%s: not asked, nor %d more: others take too long to answer", foreign.Line(socket), len(sockets)-i-1)}
			break asking
		}
		all.Go(func() {
			defer func() { <-slots }()
			failures[i] = ask(i, socket)
		})
	}
	all.Wait()
	return slices.DeleteFunc(failures, func(err error) bool { return err == nil })
}

// ask gets the report. It stays empty where nobody listens, which is no error.
func (d *instance) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, rundir.AskTime)
	defer cancel()
	var report controlReport
	err := d.exchange(ctx, http.MethodGet, "/status", nil, nil, &report)
	switch {
	case errors.Is(err, errno.Refused), errors.Is(err, os.ErrNotExist), errors.Is(err, errno.Reset), errors.Is(err, io.EOF): // it has ended, or ends
		return nil
	case errors.Is(err, os.ErrPermission):
		return &exit.Error{Code: exit.GaveUp, Err: fmt.Errorf("%s: %w", foreign.Line(d.socket), os.ErrPermission),
			Hint: "tunnels of other users are shown to them and to root"}
	case errors.Is(err, context.DeadlineExceeded):
		return &exit.Error{Code: exit.GaveUp, Err: fmt.Errorf("%s: the process does not answer", foreign.Line(d.socket)),
			Hint: "`ss -xlp` shows which process has that socket; one that was stopped goes on after `kill -CONT`"}
	case err != nil:
		return fmt.Errorf("%s: %w", foreign.Line(d.socket), err)
	case report.Version > monitor.ReportVersion:
		return fmt.Errorf("%s: the process answers in version %d of the report, this tunneld knows version %d: ask with the tunneld that it runs",
			foreign.Line(d.socket), report.Version, monitor.ReportVersion)
	}
	d.report = report
	return nil
}

// control asks for something to be done to tunnels of the process, and waits until it has been.
func (d *instance) control(ctx context.Context, verb string, names []string) ([]controlResult, error) {
	var answer controlAnswer
	err := d.exchange(ctx, http.MethodPost, "/"+verb, url.Values{"tunnel": names}, nil, &answer)
	return answer.Results, err
}

// exchange sends a request and reads the answer. body is sent as JSON; nil: none is.
func (d *instance) exchange(ctx context.Context, method, path string, query url.Values, body, answer any) error {
	response, err := d.send(ctx, method, path, query, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if err := readAnswer(response.Body, answer); err != nil {
		return fmt.Errorf("not understood: %w", foreign.Error(err))
	}
	foreign.Strings(answer) // the process may be another user's
	return nil
}

// send sends a request. The caller closes the body of the answer.
func (d *instance) send(ctx context.Context, method, path string, query url.Values, body any) (*http.Response, error) {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://tunneld"+path+"?"+query.Encode(), bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	response, err := d.client.Do(request)
	var failed *url.Error
	if errors.As(err, &failed) {
		return nil, foreign.Error(failed.Err) // without the address, which says nothing
	}
	return response, err
}

// has reports whether the process runs a tunnel of that name.
func (d *instance) has(name string) bool {
	return slices.ContainsFunc(d.report.Tunnels, func(s monitor.Status) bool { return s.Name == name })
}

// readAnswer reads JSON into answer. What is short as text may be large as values: these are counted first.
func readAnswer(body io.Reader, answer any) error {
	text, err := io.ReadAll(io.LimitReader(body, maxReport+1))
	switch {
	case err != nil:
		return err
	case len(text) > maxReport, bytes.Count(text, []byte("{"))+bytes.Count(text, []byte("null")) > maxReportValues:
		return errLongAnswer
	}
	return json.Unmarshal(text, answer)
}
