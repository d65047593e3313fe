package integration

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// child is a program that a test started. What it writes to stderr (and stdout) is kept, and shown when the test fails.
// It ends with the test at the latest.
type child struct {
	name string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended and its output is read

	mu    sync.Mutex
	lines []line
	grown chan struct{} // closed and replaced at each new line
}

// line is one line of a program's output.
type line struct {
	at     time.Time
	text   string
	fields map[string]any // of a JSON log line; nil where it is not one
}

// field gives the value of a key of a JSON log line as text; empty where it has none.
func (l line) field(key string) string {
	if v, ok := l.fields[key]; ok {
		return fmt.Sprint(v)
	}
	return ""
}

// startChild starts cmd and collects its output.
func startChild(t testing.TB, name string, cmd *exec.Cmd) *child {
	t.Helper()
	c := &child{name: name, cmd: cmd, done: make(chan struct{}), grown: make(chan struct{})}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if cmd.Stdout == nil {
		cmd.Stdout = w
	}
	cmd.Stderr = w
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	err = cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		t.Fatalf("%s: %v", name, err)
	}
	go c.collect(r)
	t.Cleanup(func() {
		c.kill()
		if t.Failed() {
			t.Logf("output of %s:\n%s", name, c.output())
		}
	})
	return c
}

// collect reads the output to its end, then waits for the process. A grandchild may keep the pipe open after the
// process has ended: then reading ends a second later.
func (c *child) collect(r *os.File) {
	read := make(chan struct{})
	go func() {
		defer close(read)
		in := bufio.NewReader(r)
		for {
			text, err := in.ReadString('\n')
			if text != "" {
				c.add(strings.TrimRight(text, "\n"))
			}
			if err != nil {
				return
			}
		}
	}()
	c.cmd.Wait()
	select {
	case <-read:
	case <-time.After(time.Second):
	}
	r.Close()
	close(c.done)
}

func (c *child) add(text string) {
	l := line{at: time.Now(), text: text}
	if strings.HasPrefix(text, "{") {
		json.Unmarshal([]byte(text), &l.fields)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, l)
	close(c.grown)
	c.grown = make(chan struct{})
}

// output gives what has been written so far; of a long log the end.
func (c *child) output() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	from := max(0, len(c.lines)-400)
	var b strings.Builder
	if from > 0 {
		fmt.Fprintf(&b, "… %d lines before …\n", from)
	}
	for _, l := range c.lines[from:] {
		fmt.Fprintf(&b, "%s  %s\n", l.at.Format("05.000"), l.text)
	}
	return b.String()
}

// mark gives a position in the output: waitLine looks only at what comes after it.
func (c *child) mark() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.lines)
}

// waitLine waits for a line from position on that matches, and gives it. It ends the test when limit has passed or the
// program ends without one.
func (c *child) waitLine(t testing.TB, from int, limit time.Duration, what string, match func(line) bool) line {
	t.Helper()
	deadline := time.After(limit)
	for {
		c.mu.Lock()
		lines, grown := c.lines[min(from, len(c.lines)):], c.grown
		c.mu.Unlock()
		for _, l := range lines {
			if match(l) {
				return l
			}
		}
		from += len(lines)
		select {
		case <-grown:
		case <-deadline:
			t.Fatalf("%s did not say within %v: %s", c.name, limit, what)
		case <-c.done:
			if c.mark() == from {
				t.Fatalf("%s ended (exit %d) without saying: %s", c.name, c.exitCode(), what)
			}
		}
	}
}

// matching gives the lines so far that match.
func (c *child) matching(match func(line) bool) []line {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []line
	for _, l := range c.lines {
		if match(l) {
			found = append(found, l)
		}
	}
	return found
}

// text gives the output without times.
func (c *child) text() string {
	var b strings.Builder
	for _, l := range c.matching(func(line) bool { return true }) {
		b.WriteString(l.text + "\n")
	}
	return b.String()
}

func (c *child) pid() int { return c.cmd.Process.Pid }

func (c *child) signal(s syscall.Signal) { c.cmd.Process.Signal(s) }

// running tells whether it has not ended yet.
func (c *child) running() bool {
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// waitExit waits for its end and gives the exit code.
func (c *child) waitExit(t testing.TB, limit time.Duration) int {
	t.Helper()
	select {
	case <-c.done:
	case <-time.After(limit):
		t.Fatalf("%s has not ended within %v", c.name, limit)
	}
	return c.exitCode()
}

// exitCode gives the code after the end; -1 for a signal.
func (c *child) exitCode() int { return c.cmd.ProcessState.ExitCode() }

// kill ends it and everything it started, and waits.
func (c *child) kill() {
	if c.running() {
		tree := processTree(c.pid())
		tree.signal(syscall.SIGKILL)
		c.cmd.Process.Kill()
	}
	<-c.done
}

// since gives the lines from a position on.
func (c *child) since(from int) []line {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.lines[min(from, len(c.lines)):])
}
