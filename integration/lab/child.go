package lab

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

// Child is a program that a test started. What it writes to stderr (and stdout) is kept, and shown when the test fails.
// It ends with the test at the latest.
type Child struct {
	name string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended and its output is read

	mu    sync.Mutex
	lines []Line
	grown chan struct{} // closed and replaced at each new line
}

// Line is one line of a program's output.
type Line struct {
	At     time.Time
	Text   string
	Fields map[string]any // of a JSON log line; nil where it is not one
}

// Field returns the value of a key of a JSON log line as text; empty where it has none.
func (l Line) Field(key string) string {
	if v, ok := l.Fields[key]; ok {
		return fmt.Sprint(v)
	}
	return ""
}

// StartChild starts cmd and collects its output.
func StartChild(t testing.TB, name string, cmd *exec.Cmd) *Child {
	t.Helper()
	c := &Child{name: name, cmd: cmd, done: make(chan struct{}), grown: make(chan struct{})}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if cmd.Stdout == nil {
		cmd.Stdout = w
	}
	cmd.Stderr = w
	cmd.SysProcAttr = ownGroup()
	err = cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		t.Fatalf("%s: %v", name, err)
	}
	go c.collect(r)
	t.Cleanup(func() {
		c.Kill()
		if t.Failed() {
			t.Logf("output of %s:\n%s", name, c.Output())
		}
	})
	return c
}

// collect reads the output to its end, then waits for the process. A grandchild may keep the pipe open after the
// process has ended: then reading ends a second later.
func (c *Child) collect(r *os.File) {
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

func (c *Child) add(text string) {
	l := Line{At: time.Now(), Text: text}
	if strings.HasPrefix(text, "{") {
		json.Unmarshal([]byte(text), &l.Fields)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, l)
	close(c.grown)
	c.grown = make(chan struct{})
}

// Output returns what has been written so far; of a long log the end.
func (c *Child) Output() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	from := max(0, len(c.lines)-400)
	var b strings.Builder
	if from > 0 {
		fmt.Fprintf(&b, "… %d lines before …\n", from)
	}
	for _, l := range c.lines[from:] {
		fmt.Fprintf(&b, "%s  %s\n", l.At.Format("05.000"), l.Text)
	}
	return b.String()
}

// Mark returns a position in the output: waitLine looks only at what comes after it.
func (c *Child) Mark() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.lines)
}

// WaitLine waits for a line from position on that matches, and returns it. It ends the test when limit has passed or the
// program ends without one.
func (c *Child) WaitLine(t testing.TB, from int, limit time.Duration, what string, match func(Line) bool) Line {
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
			if c.Mark() == from {
				t.Fatalf("%s ended (exit %d) without saying: %s", c.name, c.ExitCode(), what)
			}
		}
	}
}

// Matching returns the lines so far that match.
func (c *Child) Matching(match func(Line) bool) []Line {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []Line
	for _, l := range c.lines {
		if match(l) {
			found = append(found, l)
		}
	}
	return found
}

// Text returns the output without times.
func (c *Child) Text() string {
	var b strings.Builder
	for _, l := range c.Matching(func(Line) bool { return true }) {
		b.WriteString(l.Text + "\n")
	}
	return b.String()
}

func (c *Child) Pid() int { return c.cmd.Process.Pid }

func (c *Child) Signal(s syscall.Signal) { c.cmd.Process.Signal(s) }

// Running reports whether it has not ended yet.
func (c *Child) Running() bool {
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// WaitExit waits for its end and returns the exit code.
func (c *Child) WaitExit(t testing.TB, limit time.Duration) int {
	t.Helper()
	select {
	case <-c.done:
	case <-time.After(limit):
		t.Fatalf("%s has not ended within %v", c.name, limit)
	}
	return c.ExitCode()
}

// ExitCode returns the code after the end; -1 for a signal.
func (c *Child) ExitCode() int { return c.cmd.ProcessState.ExitCode() }

// Kill ends it and everything it started, and waits.
func (c *Child) Kill() {
	if c.Running() {
		tree := ProcessTree(c.Pid())
		tree.Signal(syscall.SIGKILL)
		c.cmd.Process.Kill()
	}
	<-c.done
}

// Since returns the lines from a position on.
func (c *Child) Since(from int) []Line {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.lines[min(from, len(c.lines)):])
}
