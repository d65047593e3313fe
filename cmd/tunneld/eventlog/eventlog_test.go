package eventlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tunneld/tunneld/cmd/tunneld/exit"
)

// shelf serves a Book as a process does, over pipes.
type shelf struct {
	Book
	server *http.Server
	conns  chan net.Conn
	dead   chan struct{} // closed: nobody listens any more
	asked  atomic.Int32  // how often
	busy   atomic.Int32  // answers that go on
}

func newShelf() *shelf {
	s := &shelf{conns: make(chan net.Conn), dead: make(chan struct{})}
	s.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		s.asked.Add(1)
		s.busy.Add(1)
		defer s.busy.Add(-1)
		s.ServeHTTP(w, req)
	})}
	s.server.RegisterOnShutdown(s.Shut)
	go s.server.Serve(s)
	return s
}

func (s *shelf) Accept() (net.Conn, error) {
	select {
	case conn := <-s.conns:
		return conn, nil
	case <-s.dead:
		return nil, net.ErrClosed
	}
}

func (s *shelf) Addr() net.Addr { return &net.UnixAddr{} }

// Close is for net.Listener.
func (s *shelf) Close() error {
	select {
	case <-s.dead:
	default:
		close(s.dead)
	}
	return nil
}

func (s *shelf) dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case s.conns <- far:
		return near, nil
	case <-s.dead:
		return nil, syscall.ECONNREFUSED
	}
}

// process is s as Read asks it.
func (s *shelf) process(names ...string) *Process {
	client := &http.Client{Transport: &http.Transport{DialContext: s.dial, DisableKeepAlives: true}}
	return NewProcess(names, func(ctx context.Context, query url.Values) (*http.Response, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://x/log?"+query.Encode(), nil)
		if err != nil {
			return nil, err
		}
		response, err := client.Do(request)
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return response, err
	})
}

// begin notes that a tunnel is there, and returns its log.
func (s *shelf) begin(name string) *slog.Logger {
	events := s.Events(name)
	s.Begin(name, events)
	return slog.New(events.Handler(slog.DiscardHandler))
}

// follower is a `log -f` that goes on.
type follower struct {
	out strings.Builder
	err error
	end chan struct{}
}

func follow(ctx context.Context, processes ...*Process) *follower {
	f := &follower{end: make(chan struct{})}
	go func() {
		defer close(f.end)
		f.err = Read(ctx, &f.out, false, processes, true)
	}()
	synctest.Wait()
	return f
}

// pass lets so many seconds go by.
func pass(seconds int) { <-time.After(time.Duration(seconds) * time.Second) }

// The last that happens to a tunnel is told, and those who follow it learn that there is no more. It was asked for every 250 ms,
// and what came between the last question and the end was lost.
func TestFollowerIsToldHowItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, other := newShelf(), newShelf()
		defer one.server.Close()
		defer other.server.Close()
		begun := time.Now().Local()
		at := func(seconds int) string { return begun.Add(time.Duration(seconds) * time.Second).Format(time.TimeOnly) }
		db := one.begin("db")
		web := other.begin("web")
		db.Info("connected")
		pass(1)
		web.Info("connected")
		pass(1)
		db.Warn("connection lost", "err", errors.New("no byte for 4s"))
		f := follow(t.Context(), other.process("web"), one.process("db"))
		pass(1)
		web.Error("failed for good", "err", errors.New("host key"))
		other.End("web", "")
		synctest.Wait()
		for n := range 50 {
			db.Info("again", "n", n)
		}
		db.Info("stopped", "why", "somebody asked")
		synctest.Wait() // the event alone is no end
		one.End("db", "somebody asked")
		<-f.end
		want := fmt.Sprintf("%s\n%s INF db: connected\n%s INF web: connected\n%s WRN db: connection lost: no byte for 4s\n%s ERR web: failed for good: host key\n",
			begun.Format(time.DateOnly), at(0), at(1), at(2), at(3))
		for n := range 50 {
			want += fmt.Sprintf("%s INF db: again (n=%d)\n", at(3), n)
		}
		want += fmt.Sprintf("%s INF db: stopped: somebody asked\nstopped\n", at(3))
		if f.out.String() != want || f.err != nil {
			t.Errorf("%v\n%s\nwant\n%s", f.err, &f.out, want)
		}
	})
}

// The end of the process is the end of what it tells, and those who follow do not hold it up.
func TestFollowerOfAProcessThatEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		log := s.begin("db")
		f := follow(t.Context(), s.process("db"))
		log.Error("failed for good", "err", errors.New("host key"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.server.Shutdown(ctx); err != nil {
			t.Error(err)
			s.server.Close()
		}
		<-f.end
		if !strings.HasSuffix(f.out.String(), " ERR failed for good: host key\nstopped\n") || f.err != nil {
			t.Errorf("%v\n%s", f.err, &f.out)
		}
	})
}

// Whoever follows costs nothing while nothing happens, and asks once.
func TestManyFollowersAreIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		defer s.server.Close()
		db, web := s.begin("db"), s.begin("web")
		var all []*follower
		for range 100 {
			all = append(all, follow(t.Context(), s.process("db", "web")))
		}
		pass(24 * 3600)
		if n := s.asked.Load(); n != 100 {
			t.Errorf("100 have asked %d times in a day", n)
		}
		db.Info("stopped")
		s.End("db", "")
		pass(3600)
		web.Info("stopped")
		s.End("web", "")
		for _, f := range all {
			<-f.end
			if strings.Count(f.out.String(), "stopped\n") != 3 {
				t.Fatalf("it shows\n%s", &f.out)
			}
		}
		synctest.Wait()
		if n := s.busy.Load(); n != 0 {
			t.Errorf("%d answers go on", n)
		}
	})
}

// Whoever does not read is let go, and keeps nobody from writing meanwhile.
func TestFollowerThatNeverReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		defer s.server.Close()
		log := s.begin("db")
		conn, err := s.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "GET /log?tunnel=db&follow HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for n := range 10_000 {
			log.Info("again", "n", n)
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("the log was held up for %v", took)
		}
		synctest.Wait()
		if s.busy.Load() != 1 {
			t.Error("it is not followed")
		}
		<-time.After(writeTime + time.Second)
		if s.busy.Load() != 0 {
			t.Error("it is still waited for")
		}
	})
}

// A person who comes back from Ctrl-Z was let go meanwhile: what came since is told, and nothing twice.
func TestFollowerThatWasLetGoAsksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		defer s.server.Close()
		log := s.begin("db")
		log.Info("first")
		process := s.process("db")
		var mine atomic.Pointer[http.Response]
		get := process.get
		process.get = func(ctx context.Context, query url.Values) (*http.Response, error) {
			response, err := get(ctx, query)
			mine.Store(response)
			return response, err
		}
		f := follow(t.Context(), process)
		mine.Load().Body.Close()
		log.Info("second")
		pass(1)
		log.Info("third")
		s.End("db", "")
		<-f.end
		var told []string
		for line := range strings.Lines(f.out.String()) {
			told = append(told, strings.TrimSpace(line[strings.LastIndex(strings.TrimSpace(line), " ")+1:]))
		}
		if !slices.Equal(told[1:], []string{"first", "second", "third", "stopped"}) || s.asked.Load() != 2 {
			t.Errorf("asked %d times, it shows\n%s", s.asked.Load(), &f.out)
		}
	})
}

// Where the process was killed nobody says that the tunnel was stopped.
func TestFollowerOfAProcessThatIsKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		s.begin("db").Info("connected")
		f := follow(t.Context(), s.process("db"))
		s.server.Close()
		<-f.end
		if !errors.Is(f.err, ErrGone) || exit.Code(f.err) != exit.GaveUp || strings.Contains(f.out.String(), "stopped") {
			t.Errorf("%v\n%s", f.err, &f.out)
		}
	})
}

// Ctrl-C is no failure, and what is only read ends by itself.
func TestReadingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		defer s.server.Close()
		s.begin("db").Info("connected")
		ctx, interrupt := context.WithCancel(t.Context())
		f := follow(ctx, s.process("db"))
		interrupt()
		<-f.end
		if f.err != nil || strings.Contains(f.out.String(), "stopped") {
			t.Errorf("%v\n%s", f.err, &f.out)
		}
		var out strings.Builder
		if err := Read(t.Context(), &out, false, []*Process{s.process("db")}, false); err != nil || out.String() != f.out.String() {
			t.Errorf("%v\n%s", err, &out)
		}
	})
}

// A name's page goes on with the next tunnel of that name, and the ends of many are not all remembered.
func TestBookRemembers(t *testing.T) {
	var b Book
	begin := func(name string) { b.Begin(name, b.Events(name)) }
	begin("web")
	before := b.Events("web")
	if list := b.Ended(); list != nil {
		t.Errorf("%v has ended", list)
	}
	b.End("web", "somebody asked")
	if list := b.Ended(); len(list) != 1 || list[0].Name != "web" || list[0].String() != "stopped 0s ago, somebody asked" {
		t.Errorf("%v has ended", list)
	}
	begin("web")
	if list := b.Ended(); list != nil || b.Events("web") != before {
		t.Errorf("%v has ended, events of its own: %v", list, b.Events("web") != before)
	}
	for n := range 3 * mostEnded {
		begin(fmt.Sprint(n))
	}
	for n := range 3 * mostEnded {
		b.End(fmt.Sprint(n), "")
	}
	if list := b.Ended(); len(list) != mostEnded || list[mostEnded-1].Name != fmt.Sprint(3*mostEnded-1) || b.Events("web") != before {
		t.Errorf("%d ends are remembered", len(list))
	}
	if _, ok := b.readers(url.Values{"tunnel": {"0"}}); ok {
		t.Error("what was forgotten is found")
	}
	if readers, ok := b.readers(url.Values{}); !ok || len(readers) != 1 || readers[0].page.end.Name != "web" {
		t.Errorf("%d run", len(readers))
	}
}

// A process that has begun since counts its events from one again.
func TestNumbersThatBeginAnew(t *testing.T) {
	s := new(shelf)
	log := s.begin("db")
	for range 5 {
		log.Info("again")
	}
	for after, want := range map[string]int{"": 5, "2": 3, "5": 0, "6": 5, "nonsense": 5} {
		readers, ok := s.readers(url.Values{"tunnel": {"db"}, "after": {after}})
		if !ok {
			t.Fatal("it is not there")
		}
		if line := s.look(readers[0], true); line == nil || len(line.Events) != want || line.Over {
			t.Errorf("after %q there are %+v, want %d", after, line, want)
		}
	}
}

// FuzzAnswer reads what a process answers, which may be anybody's: what is printed is text, in lines that begin as ours do.
func FuzzAnswer(f *testing.F) {
	for _, text := range []string{
		`{"name":"db","last":1,"events":[{"number":1,"time":"2026-11-22T12:00:00Z","level":"warn","text":"connection lost","cause":"no byte","details":"a=b"}],"over":true}`,
		`{"name":"db","last":1,"events":[{"number":1,"text":"\u001b[2J","cause":"a\nb","details":"\u202e"}]}`, `{"name":"web"}`, `{"name":"db","events":[{}]}`, `[`, ``, "null\n", `{"name":"\u001b"}`,
	} {
		f.Add([]byte(text))
	}
	line := regexp.MustCompile(`^(-?\d{4,}-\d\d-\d\d|\d\d:\d\d:\d\d (INF|WRN|ERR) [^\pC]*)\n$`)
	f.Fuzz(func(t *testing.T, text []byte) {
		p := NewProcess([]string{"db"}, func(context.Context, url.Values) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(text))}, nil
		})
		var out, problems strings.Builder
		exit.Print(&problems, Read(t.Context(), &out, false, []*Process{p}, false))
		for shown := range strings.Lines(out.String()) {
			if !line.MatchString(shown) {
				t.Errorf("it shows %q", shown)
			}
		}
		if said := problems.String(); strings.Count(said, "\n") > 1 || strings.ContainsAny(said, "\x1b\r") {
			t.Errorf("it says %q", said)
		}
	})
}
