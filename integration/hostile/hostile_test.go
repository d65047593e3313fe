package hostile

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
	"golang.org/x/crypto/ssh"
)

// What a hostile server may cost, whatever it does.
const (
	hostileMemory  = 160 << 10 // KiB resident, at the highest
	hostileLog     = 4 << 20   // bytes, at the level debug
	hostileSpan    = 3 * time.Second
	hostileAnswer  = 10 * time.Second // for status, and for the end after SIGTERM, on a busy machine
	hostileAtOnce  = 24
	hostileClients = 3
)

// hostility is something that a server does to each connection. It ends when the client has gone.
type hostility struct {
	name string
	do   func(f *foe)
}

// A server may do what it likes at every point of the protocol: tunneld keeps within its bounds, says how it is, and ends
// when it is asked to. HOSTILE_SPAN says how long each is watched, by default a few seconds, and HOSTILE_ONLY a part of the
// names of those that are.
func TestHostileServer(t *testing.T) {
	span := hostileSpan
	if text := os.Getenv("HOSTILE_SPAN"); text != "" {
		var err error
		if span, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	binary, err := lab.PlainBinary()
	if err != nil {
		t.Fatal(err)
	}
	all := slices.DeleteFunc(hostilities(), func(h hostility) bool { return !strings.Contains(h.name, os.Getenv("HOSTILE_ONLY")) })
	outcomes := make([]*ordeal, len(all))
	turns := make(chan struct{}, hostileAtOnce)
	var running sync.WaitGroup
	for i, h := range all {
		o := &ordeal{hostility: h, binary: binary, account: lab.NewAccount(t), span: span, port: lab.FreePort(t), local: lab.FreePort(t), proxy: lab.FreePort(t)}
		outcomes[i] = o
		running.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			o.run()
		})
	}
	running.Wait()
	for _, o := range outcomes {
		t.Run(o.name, func(t *testing.T) {
			t.Logf("%d connections, %d KiB, %d bytes of log, exit %d", o.connections, o.memory, o.logged, o.code)
			for _, complaint := range o.complaints {
				t.Error(complaint)
			}
			if t.Failed() {
				t.Logf("the log ends so:\n%s", o.tail)
			}
		})
	}
}

// ordeal is one hostile server, and a tunneld that is connected to it.
type ordeal struct {
	hostility
	binary             string
	account            *lab.Account
	span               time.Duration
	port, local, proxy int

	mu          sync.Mutex // guards all following fields
	connections int
	complaints  []string
	memory      int // KiB
	logged      int64
	code        int // -1: it lived until it was asked to end
	tail        string
}

func (o *ordeal) complain(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.complaints = append(o.complaints, fmt.Sprintf(format, args...))
}

// run starts both, watches, and ends both.
func (o *ordeal) run() {
	over := make(chan struct{})
	served, err := o.serve(over)
	if err != nil {
		o.complain("%v", err)
		return
	}
	defer served()
	defer close(over)
	log, err := os.Create(o.account.Path("log"))
	if err != nil {
		o.complain("%v", err)
		return
	}
	defer log.Close()
	cmd := o.command("up", lab.Alias, "--log-format", "text", "--log-level", "debug")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		o.complain("%v", err)
		return
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		cmd.Wait()
	}()
	o.watch(cmd, ended)
	o.judge(cmd, ended)
	o.read(log.Name())
}

func (o *ordeal) command(words ...string) *exec.Cmd {
	cmd := exec.Command(o.binary, append(words, "-F", o.account.Path("config"))...)
	if words[0] != "up" {
		cmd = exec.Command(o.binary, words...)
	}
	cmd.Env, cmd.Dir = o.account.Environment(), o.account.Dir
	cmd.SysProcAttr = lab.DieWithTest()
	return cmd
}

// serve listens, and writes the account's files; the function that it returns ends all connections.
func (o *ordeal) serve(over <-chan struct{}) (end func(), err error) {
	_, host, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	public, err := ssh.NewPublicKey(host.Public())
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", lab.Loopback(o.port))
	if err != nil {
		return nil, err
	}
	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	a := o.account
	a.Trust(lab.Loopback(o.port), public)
	a.Host(lab.Alias, o.port, "ConnectTimeout 15", "ServerAliveInterval 2", "ServerAliveCountMax 2", "TunneldDrain 1",
		"TunneldBackoffMax 1", "TunneldHold 2", "TunneldEcho off", "UpdateHostKeys yes", "PubkeyAuthentication yes",
		fmt.Sprintf("LocalForward %s far:1", lab.Loopback(o.local)), fmt.Sprintf("DynamicForward %s", lab.Loopback(o.proxy)),
		"RemoteForward 0 "+target.Addr().String())
	var all sync.WaitGroup
	var open sync.Map
	all.Go(func() { o.accept(target, &open, &all, func(c net.Conn) { io.Copy(io.Discard, c) }) })
	all.Go(func() {
		o.accept(listener, &open, &all, func(c net.Conn) {
			o.mu.Lock()
			o.connections++
			o.mu.Unlock()
			f := &foe{conn: c, in: bufio.NewReader(c), host: host, over: over, opened: make(chan uint32, 16), granted: make(chan struct{})}
			f.suffer(o)
		})
	})
	return func() {
		listener.Close()
		target.Close()
		open.Range(func(c, _ any) bool { c.(net.Conn).Close(); return true })
		all.Wait()
	}, nil
}

func (o *ordeal) accept(l net.Listener, open *sync.Map, all *sync.WaitGroup, serve func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		open.Store(c, nil)
		all.Go(func() {
			defer open.Delete(c)
			defer c.Close()
			serve(c)
		})
	}
}

// suffer does to the client what there is to be done.
func (f *foe) suffer(o *ordeal) {
	defer func() {
		if gone := recover(); gone != nil {
			if _, ok := gone.(foeGone); !ok {
				o.complain("the server of the test: %v", gone)
			}
		}
	}()
	o.do(f)
}

// watch has clients come and go until the time is up or tunneld has ended.
func (o *ordeal) watch(cmd *exec.Cmd, ended <-chan struct{}) {
	var clients sync.WaitGroup
	ctx, cancel := context.WithTimeout(context.Background(), o.span)
	defer cancel()
	for range hostileClients {
		clients.Go(func() {
			for ctx.Err() == nil {
				o.client(ctx)
			}
		})
	}
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for ctx.Err() == nil {
		select {
		case <-look.C:
			o.memory = max(o.memory, highWater(cmd.Process.Pid))
		case <-ctx.Done():
		case <-ended:
			cancel()
		}
	}
	clients.Wait()
	o.memory = max(o.memory, highWater(cmd.Process.Pid))
	if o.memory > hostileMemory {
		o.complain("%d KiB of memory, at most %d are allowed", o.memory, hostileMemory)
	}
}

// promise is what a server says before it sends a stream that it will break off: the client was not told the truth when
// that ends cleanly.
const promise = "more than this will come:"

// client is a connection through the local forward, which says something and listens to the end.
func (o *ordeal) client(ctx context.Context) {
	pause := time.NewTimer(50 * time.Millisecond)
	defer pause.Stop()
	defer func() { <-pause.C }()
	c, err := net.Dial("tcp", lab.Loopback(o.local))
	if err != nil {
		return
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	if _, err := io.WriteString(c, "a request\n"); err != nil {
		return // it was reset before it had said anything, and Linux tells an error once: what is read now would end cleanly
	}
	got, err := io.ReadAll(io.LimitReader(c, 1<<20))
	if err == nil && bytes.HasPrefix(got, []byte(promise)) && len(got) < 1<<20 {
		o.complain("a client was told of a clean end of a stream that was broken off after %d bytes", len(got))
	}
}

// judge asks tunneld how it is, ends it, and notes what it has cost.
func (o *ordeal) judge(cmd *exec.Cmd, ended <-chan struct{}) {
	o.code = -1
	select {
	case <-ended:
		o.code = cmd.ProcessState.ExitCode()
		if o.code != 3 {
			o.complain("it ended with %d (%v)", o.code, cmd.ProcessState)
		}
		return
	default:
	}
	ctx, cancel := context.WithTimeout(context.Background(), hostileAnswer)
	defer cancel()
	status := o.command("status", lab.Alias)
	var unanswered error
	if err := status.Start(); err == nil {
		defer context.AfterFunc(ctx, func() { status.Process.Kill() })()
		unanswered = status.Wait()
	}
	cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-ended:
		code := cmd.ProcessState.ExitCode()
		if code == 3 { // it had just given the server up, on a busy machine
			o.code = code
			return
		}
		if code != 0 {
			o.complain("it ended with %d after SIGTERM", code)
		}
		if unanswered != nil {
			o.complain("status: %v", unanswered)
		}
	case <-time.After(hostileAnswer):
		cmd.Process.Signal(syscall.SIGABRT) // it shows what each goroutine does
		o.complain("it did not end within %v after SIGTERM", hostileAnswer)
		select {
		case <-ended:
		case <-time.After(time.Second):
			cmd.Process.Kill()
			<-ended
		}
	}
}

// highWater is the most that a process has had resident, in KiB.
func highWater(pid int) int {
	text, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.Atoi(strings.Fields(rest)[0])
			return n
		}
	}
	return 0
}

// read looks into the log.
func (o *ordeal) read(path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		o.complain("%v", err)
		return
	}
	o.logged = int64(len(text))
	o.tail = fmt.Sprintf("%q", text[max(0, len(text)-3000):])
	o.tail = strings.ReplaceAll(o.tail, `\n`, "\n")
	if o.logged > hostileLog {
		o.complain("%d bytes of log, at most %d are allowed", o.logged, hostileLog)
	}
	for _, word := range []string{"panic:", "fatal error:", "runtime error", "\x1b", "\u009b"} {
		if at := bytes.Index(text, []byte(word)); at >= 0 {
			o.complain("the log holds %q: %q", word, text[at:min(len(text), at+2000)])
		}
	}
}
