package follow

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/monitor"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// desk is a person's ssh_config, and tunnels that live by it.
type desk struct {
	t        *testing.T
	home     string
	source   *Source
	resolved atomic.Int64
	log      lockedBuffer
}

type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) count(text string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.text.String(), text)
}

func newDesk(t *testing.T, lines string) *desk {
	d := &desk{t: t, home: t.TempDir()}
	d.write(lines)
	d.source = NewSource(func() (config.Environment, error) {
		return config.Environment{Home: d.home, LocalUser: "me", UID: os.Getuid(), HostName: "laptop", Getenv: os.LookupEnv, UserFile: d.file()}, nil
	})
	return d
}

func (d *desk) file() string { return filepath.Join(d.home, "config") }

// write replaces the file, which looks as if it had been there for long.
func (d *desk) write(lines string) {
	d.t.Helper()
	fresh := d.file() + ".new"
	if err := os.WriteFile(fresh, []byte(lines), 0o600); err != nil {
		d.t.Fatal(err)
	}
	d.age(fresh)
	if err := os.Rename(fresh, d.file()); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) age(path string) {
	d.t.Helper()
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, long, long); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) resolve(ctx context.Context, environment config.Environment) (*config.Options, error) {
	d.resolved.Add(1)
	return config.Resolve(ctx, config.Request{Destination: "db", Environment: environment})
}

// way begins a tunnel; lives is what it lives by.
func (d *desk) way() (w *Way, lives *atomic.Pointer[config.Options]) {
	d.t.Helper()
	environment, _ := d.source.environment()
	o, err := d.resolve(d.t.Context(), environment)
	if err != nil {
		d.t.Fatal(err)
	}
	d.resolved.Store(0)
	lives = new(atomic.Pointer[config.Options])
	lives.Store(o)
	w = d.source.New(d.resolve, o, slog.New(slog.NewTextHandler(&d.log, nil)), lives.Store)
	d.later(w)
	return w, lives
}

// later has so much time gone by that what was found out last is no longer good without a look.
func (d *desk) later(ways ...*Way) {
	for _, w := range ways {
		w.mu.Lock()
		w.found.at = w.found.at.Add(-time.Hour)
		w.mu.Unlock()
	}
	d.source.looking.Lock()
	d.source.looked = time.Time{}
	d.source.looking.Unlock()
}

// attempt makes one that succeeds, and returns the port that it was made to.
func (d *desk) attempt(w *Way, lives *atomic.Pointer[config.Options]) (port int) {
	d.t.Helper()
	if _, err := w.connect(d.t.Context(), func(context.Context) (monitor.Session, error) {
		port = lives.Load().Port
		return nil, nil
	}); err != nil {
		d.t.Error(err)
	}
	d.later(w)
	return port
}

// The edit of a file counts from the next attempt, and is read once.
func TestEditCountsFromTheNextAttempt(t *testing.T) {
	d := newDesk(t, "Host db\nPort 1\n")
	w, lives := d.way()
	if port := d.attempt(w, lives); port != 1 || d.resolved.Load() != 0 {
		t.Errorf("to port %d, read %d times though nothing has changed", port, d.resolved.Load())
	}
	d.write("Host db\nPort 2\nTunneldHold 5s\n")
	for range 3 {
		if port := d.attempt(w, lives); port != 2 {
			t.Errorf("to port %d, want 2", port)
		}
	}
	if n := d.resolved.Load(); n != 1 {
		t.Errorf("read %d times, want once", n)
	}
	if d.log.count(`changed="Port 2 (was 1)"`) != 1 {
		t.Errorf("the log does not say once what has changed, or says too much:\n%s", d.log.text.String())
	}
}

// A file that was written a moment ago may be written once more without looking newer.
func TestFreshFileIsReadAgain(t *testing.T) {
	d := newDesk(t, "Host db\nPort 1\n")
	w, lives := d.way()
	os.WriteFile(d.file(), []byte("Host db\nPort 2\n"), 0o600)
	d.attempt(w, lives)
	info, _ := os.Stat(d.file())
	os.WriteFile(d.file(), []byte("Host db\nPort 3\n"), 0o600)
	os.Chtimes(d.file(), info.ModTime(), info.ModTime())
	if port := d.attempt(w, lives); port != 3 {
		t.Errorf("to port %d, want 3", port)
	}
}

// New files of an Include, files that were not there, and what Include names by a pattern count as edits.
func TestFilesThatComeAndGoAreEdits(t *testing.T) {
	d := newDesk(t, "")
	d.write("Include " + d.home + "/more/*.conf\nInclude " + d.home + "/later\nHost db\nPort 1\n")
	w, lives := d.way()
	os.Mkdir(filepath.Join(d.home, "more"), 0o700)
	for n, name := range []string{"later", "more/a.conf"} {
		path := filepath.Join(d.home, name)
		os.WriteFile(path, fmt.Appendf(nil, "Host db\nPort %d\n", n+2), 0o600)
		d.age(path)
		if port := d.attempt(w, lives); port != n+2 {
			t.Errorf("with %s to port %d, want %d", name, port, n+2)
		}
	}
	os.Remove(filepath.Join(d.home, "more/a.conf"))
	if port := d.attempt(w, lives); port != 2 {
		t.Errorf("without it to port %d, want 2", port)
	}
}

// What cannot be used changes nothing: one warning for each cause, whatever the number of attempts and tunnels.
func TestLastGoodIsKept(t *testing.T) {
	d := newDesk(t, "Host db\nPort 1\n")
	w, lives := d.way()
	other, others := d.way()
	both := func(step string) {
		t.Helper()
		for range 3 {
			for _, port := range []int{d.attempt(w, lives), d.attempt(other, others)} {
				if port != 1 {
					t.Errorf("%s: to port %d, want 1", step, port)
				}
			}
		}
	}
	warnings := func(step string, want int) {
		t.Helper()
		if n := d.log.count("level=WARN"); n != want {
			t.Errorf("%s: %d warnings, want %d\n%s", step, n, want, d.log.text.String())
		}
	}
	d.write("Host db\nPort nowhere\n")
	both("a bad port")
	warnings("a bad port", 1)
	if kept := w.Kept(); !strings.Contains(kept, "config:2: ") || !strings.Contains(kept, "nowhere") {
		t.Errorf("status says %q", kept)
	}
	d.write("Host db\nPort 2\nHost \"\n")
	both("half a line")
	warnings("half a line", 2)
	os.Remove(d.file())
	both("no file")
	warnings("no file", 3)
	os.Mkdir(d.file(), 0o700)
	both("a directory in its place")
	warnings("a directory in its place", 4)
	os.Remove(d.file())
	d.write("Host db\nPort 3\n")
	if port := d.attempt(w, lives); port != 3 || w.Kept() != "" {
		t.Errorf("mended: to port %d, status says %q", port, w.Kept())
	}
	if d.log.count("can be used again") != 0 {
		t.Error("said to be good while another tunnel has not looked")
	}
	d.attempt(other, others)
	if d.log.count("can be used again") != 1 {
		t.Error("nobody says that it is good again")
	}
	d.write("Host db\nPort nowhere\n")
	d.attempt(w, lives)
	warnings("the same trouble, another time", 5)
}

// A tunnel that ended while the configuration was broken suffered from that for ever, so that nobody was told that it could be used
// again, nor of the same trouble another time.
func TestEndOfATunnelEndsItsTrouble(t *testing.T) {
	d := newDesk(t, "Host db\nPort 1\n")
	w, lives := d.way()
	other, others := d.way()
	d.write("Host db\nPort nowhere\n")
	d.attempt(w, lives)
	d.attempt(other, others)
	w.End()
	if w.Kept() == "" {
		t.Error("its status does not say any more what it lived by")
	}
	w.Look(t.Context())
	d.write("Host db\nPort 2\n")
	d.attempt(other, others)
	w.Look(t.Context())
	if n := d.log.count("can be used again"); n != 1 {
		t.Errorf("said %d times that it is good again, want once", n)
	}
	d.write("Host db\nPort nowhere\n")
	d.attempt(other, others)
	if n := d.log.count("level=WARN"); n != 2 {
		t.Errorf("%d warnings, want one each time\n%s", n, d.log.text.String())
	}
	if n := len(d.source.causes); n != 1 {
		t.Errorf("%d troubles are remembered, want that of the one that runs", n)
	}
}

// Commands and networks may say something else each time.
func TestMatchExecIsAskedEachTime(t *testing.T) {
	d := newDesk(t, "")
	flag, runs := filepath.Join(d.home, "flag"), filepath.Join(d.home, "runs")
	d.write("Match exec \"echo x >> " + runs + "; test -e " + flag + "\"\nPort 2\nHost db\nPort 1\n")
	var ways []*Way
	var lives []*atomic.Pointer[config.Options]
	for range 4 {
		w, l := d.way()
		ways, lives = append(ways, w), append(lives, l)
	}
	for _, want := range []int{1, 2, 1} {
		if os.Remove(flag); want == 2 {
			os.WriteFile(flag, nil, 0o600)
		}
		os.Remove(runs)
		d.source.Changed()
		d.later(ways...)
		var all sync.WaitGroup
		for i := range ways {
			all.Go(func() {
				ways[i].connect(t.Context(), func(context.Context) (monitor.Session, error) {
					if port := lives[i].Load().Port; port != want {
						t.Errorf("to port %d, want %d", port, want)
					}
					return nil, nil
				})
			})
		}
		all.Wait()
		if text, _ := os.ReadFile(runs); len(text) == 0 || len(text) > len("x\n")*len(ways) { // how many depends on how busy the machine is
			t.Errorf("%d runs for %d tunnels", len(text)/2, len(ways))
		}
	}
}

// An attempt that began before the network changed begins once more, by the way of now.
func TestAttemptBeginsOnceMoreWhereTheWayChanges(t *testing.T) {
	d := newDesk(t, "")
	flag := filepath.Join(d.home, "flag")
	d.write("Match exec \"test -e " + flag + "\"\nPort 2\nHost db\nPort 1\n")
	w, lives := d.way()
	watching, stop := context.WithCancel(t.Context())
	defer stop()
	var watch sync.WaitGroup
	watch.Go(func() { d.source.Watch(watching, func() []*Way { return []*Way{w} }) })
	var ports []int
	begun := make(chan struct{}, 1)
	done := make(chan error, 1)
	go func() {
		_, err := w.connect(t.Context(), func(ctx context.Context) (monitor.Session, error) {
			if ports = append(ports, lives.Load().Port); len(ports) > 1 {
				return nil, nil
			}
			begun <- struct{}{}
			<-ctx.Done()
			return nil, context.Cause(ctx)
		})
		done <- err
	}()
	<-begun
	os.WriteFile(flag, nil, 0o600)
	d.source.Changed()
	if err := <-done; err != nil || len(ports) != 2 || ports[0] != 1 || ports[1] != 2 {
		t.Errorf("to ports %v, %v", ports, err)
	}
	stop()
	watch.Wait()
}

// What only a person can mend may be mended by the next edit, where the present one has led astray.
func TestRefusalOfAnUnprovenWayMayPass(t *testing.T) {
	d := newDesk(t, "Host db\nPort 1\n")
	w, lives := d.way()
	refuse := func() error {
		_, err := w.connect(t.Context(), func(context.Context) (monitor.Session, error) {
			return nil, &fault.Error{Phase: fault.PhaseHostKey, Permanent: true, Err: errors.New("no such key"), Hint: "look"}
		})
		d.later(w)
		return err
	}
	if !fault.IsPermanent(refuse()) {
		t.Error("that of the start passes")
	}
	d.write("Host db\nPort 2\n")
	if err := refuse(); fault.IsPermanent(err) || fault.HintOf(err) != "look" || fault.PhaseOf(err) != fault.PhaseHostKey {
		t.Errorf("the edited one is final, or lacks something: %v", err)
	}
	d.attempt(w, lives)
	if !fault.IsPermanent(refuse()) {
		t.Error("that by which a connection was made passes")
	}
}

// A reload decides what the way is, also over what was read before it and is known only after it.
func TestReloadWinsOverWhatWasReadBefore(t *testing.T) {
	d := newDesk(t, "Host db\nPort 1\n")
	w, lives := d.way()
	reading, proceed := make(chan struct{}), make(chan struct{})
	w.resolve = func(ctx context.Context, environment config.Environment) (*config.Options, error) {
		o, err := d.resolve(ctx, environment)
		close(reading)
		<-proceed
		return o, err
	}
	d.write("Host db\nPort 2\n")
	var looking sync.WaitGroup
	looking.Go(func() { w.Look(t.Context()) })
	<-reading
	d.write("Host db\nPort 3\n")
	environment, _ := d.source.environment()
	o, _ := d.resolve(t.Context(), environment)
	w.Adopt(d.resolve, o, func() { lives.Store(o) })
	close(proceed)
	looking.Wait()
	if port := d.attempt(w, lives); port != 3 {
		t.Errorf("to port %d, want that of the reload, 3", port)
	}
}

// A configuration that came through a pipe is not there a second time.
func TestPipeIsReadOnce(t *testing.T) {
	r, p, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	fmt.Fprint(p, "Host db\nPort 7\n")
	p.Close()
	d := newDesk(t, "")
	os.Remove(d.file())
	if err := os.Symlink(fmt.Sprintf("/dev/fd/%d", r.Fd()), d.file()); err != nil {
		t.Fatal(err)
	}
	w, lives := d.way()
	if port := d.attempt(w, lives); port != 7 || d.resolved.Load() != 0 {
		t.Errorf("to port %d, read %d times more", port, d.resolved.Load())
	}
}

// The end of an attempt ends what it reads the configuration for.
func TestEndOfAnAttemptEndsTheReading(t *testing.T) {
	d := newDesk(t, "")
	begun := filepath.Join(d.home, "begun")
	d.write("Host db\nPort 1\nMatch exec \"test -e " + begun + ".on && echo > " + begun + " && sleep 60\"\nPort 2\n")
	w, _ := d.way()
	os.WriteFile(begun+".on", nil, 0o600)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.Look(ctx) }()
	deadline := time.After(20 * time.Second)
	for tick := time.NewTicker(5 * time.Millisecond); ; {
		if _, err := os.Stat(begun); err == nil {
			break
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the command does not begin")
		}
	}
	cancel()
	select {
	case <-done:
	case <-time.After(9 * time.Second):
		t.Error("it reads on")
	}
	if w.Kept() != "" {
		t.Errorf("blamed on the configuration: %s", w.Kept())
	}
}

// The file system of a configuration does not answer, as it is reached through the tunnel that is down. Nothing ends that read: the
// tunnel comes back by the last good configuration all the same, says so, and reads it again when the file system is back.
func TestFileSystemThatDoesNotAnswerHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "Host db\nPort 1\n")
		w, lives := d.way()
		var reads atomic.Int64
		back := make(chan struct{})
		w.resolve = func(ctx context.Context, environment config.Environment) (*config.Options, error) {
			reads.Add(1)
			<-back // whatever ctx says
			return d.resolve(ctx, environment)
		}
		d.write("Host db\nPort 2\n")
		for n := range 3 {
			began := time.Now()
			if port := d.attempt(w, lives); port != 1 {
				t.Errorf("to port %d, want 1", port)
			}
			if took, most := time.Since(began), patience+ending; n == 0 && took > most || n > 0 && took > 0 {
				t.Errorf("attempt %d waited for %v", n, took)
			}
		}
		if reads.Load() != 1 || w.Kept() == "" || d.log.count("level=WARN") != 1 {
			t.Errorf("%d reads, status says %q, the log\n%s", reads.Load(), w.Kept(), d.log.text.String())
		}
		close(back)
		synctest.Wait()
		if port := d.attempt(w, lives); port != 2 || w.Kept() != "" {
			t.Errorf("when it is back: to port %d, status says %q", port, w.Kept())
		}
	})
}

// An attempt that is given up does not wait for such a file system, either: a tunnel could not be stopped.
func TestEndOfAnAttemptDoesNotWaitForAFileSystem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "Host db\nPort 1\n")
		w, _ := d.way()
		back := make(chan struct{})
		w.resolve = func(ctx context.Context, environment config.Environment) (*config.Options, error) {
			<-back
			return d.resolve(ctx, environment)
		}
		d.write("Host db\nPort 2\n")
		ctx, cancel := context.WithCancel(t.Context())
		defer time.AfterFunc(time.Second, cancel).Stop()
		began := time.Now()
		if w.Look(ctx); time.Since(began) > time.Second+ending {
			t.Errorf("it ended after %v", time.Since(began))
		}
		if w.Kept() != "" {
			t.Errorf("blamed on the configuration: %s", w.Kept())
		}
		close(back)
	})
}
