package autossh

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	spec "github.com/tunneld/tunneld/config/autossh"
)

// quietLog returns a log that writes to a file, whose path it returns.
func quietLog(t *testing.T, level spec.Level) (*Log, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	c := &spec.Command{Name: "autossh", SSHLog: spec.SSHLog{File: filepath.Join(t.TempDir(), "ssh")}}
	c.Settings = spec.Settings{LogFile: path, LogFileSet: true, LogLevel: level}
	l, err := OpenLog(c, new(strings.Builder))
	if err != nil {
		t.Fatal(err)
	}
	return l, path
}

// A server that hangs up at once made a log of hundreds of bytes a second, for ever. The lines that are left out are summed up by
// what they say, and how it ends is said whatever was before.
func TestLogOfAFloodIsBoundedAndSummedUp(t *testing.T) {
	l, path := quietLog(t, spec.LevelDebug)
	const rounds = 30_000
	for n := range rounds {
		l.Say(spec.StartingSSH(n+1, -1), spec.ChildPID(1234), spec.CheckOnChild(1234))
		l.SSH(Error, fmt.Sprintf("kex_exchange_identification: read: Connection reset by peer %d", n), strings.Repeat("x", 500))
		l.SSH(Debug, strings.Repeat("y", 300))
	}
	l.SayLast(spec.ReceivedSignal(15))
	l.Close()
	text := logged(path)
	if len(text) > 12<<20 {
		t.Errorf("%d bytes were logged", len(text))
	}
	starts := strings.Count(text, "starting ssh (count ")
	for _, want := range []string{
		"starting ssh (count 1)\n", "ssh child pid is 1234\n", "received signal to exit (15)\n", "too many lines for this log",
		fmt.Sprintf(`%d times "starting ssh"`, rounds-starts),
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the log lacks %q; it ends with\n%s", want, text[max(0, len(text)-2000):])
		}
	}
}

// What autossh says when a connection ends each minute stands there in full.
func TestLogOfAFlappingConnectionIsComplete(t *testing.T) {
	tally, now, lines := newTally(lineBudget), time.Now(), 0
	count := func(string) { lines++ }
	const minutes = 30 * 24 * 60
	for range minutes {
		now = now.Add(time.Minute)
		for _, e := range []spec.Entry{spec.StartingSSH(12345, -1), spec.ChildPID(1234567), {Text: "ssh exited with error status 255; restarting ssh"}} {
			tally.pass(now, wordsOf(e.Text), e.Text, count)
		}
	}
	if lines != 3*minutes {
		t.Errorf("%d lines of %d", lines, 3*minutes)
	}
}

func TestTallyCountsKinds(t *testing.T) {
	tally := newTally(lineBudget)
	var said []string
	write := func(line string) { said = append(said, line) }
	now := time.Now()
	tally.pass(now, "", strings.Repeat("x", 1<<20-100), write)
	for n := range 100 {
		tally.pass(now, wordsOf("starting ssh (count 7)"), "starting ssh (count 7)", write)
		tally.pass(now, fmt.Sprint("kind ", n, "."), "x", write)
	}
	said = nil
	tally.pass(now.Add(time.Hour), "", "back", write)
	if len(said) != 2 || said[1] != "back" || !strings.Contains(said[0], `times "starting ssh", `) || !strings.Contains(said[0], `times "others"`) || len(said[0]) > 1000 {
		t.Errorf("it says %q", said)
	}
}

// A year of lines that come as fast as they can is not more than a disk has room for.
func TestLogOfAYearFitsOnADisk(t *testing.T) {
	tally, now, size := newTally(lineBudget), time.Now(), 0
	line := strings.Repeat("x", 2000)
	for range 365 * 24 {
		now = now.Add(time.Hour)
		for range 40 {
			tally.pass(now, "kind", line, func(line string) { size += len(line) + 60 })
		}
	}
	if size > 600<<20 {
		t.Errorf("%d bytes", size)
	}
}
