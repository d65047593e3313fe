package autossh

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const gate, past = 5 * time.Second, 40 * time.Second

// The table of autossh's ssh_wait.
func TestWhatAnEndMeans(t *testing.T) {
	for _, c := range []struct {
		line     string
		end      End
		want     string // the exit code, or "again"
		messages string // of level info and below
	}{
		{"host", End{Status: 0, Starts: 1, Took: gate}, "1", "ssh exited prematurely with status 0; autossh exiting"},
		{"host", End{Status: 255, Starts: 1, Took: gate}, "1", "ssh exited prematurely with status 255; autossh exiting"},
		{"host", End{Status: 255, Starts: 1, Took: 30 * time.Second}, "1", "ssh exited prematurely with status 255; autossh exiting"},
		{"host", End{Status: 0, Starts: 1, Took: past}, "0", "ssh exited with status 0; autossh exiting"},
		{"host", End{Status: 1, Starts: 1, Took: past}, "1", "ssh exited with status 1; autossh exiting"},
		{"host", End{Status: 2, Starts: 1, Took: past}, "1", "ssh exited with status 2; autossh exiting"},
		{"host", End{Status: 255, Starts: 1, Took: past}, "again", "ssh exited with error status 255; restarting ssh"},
		{"host", End{Status: 7, Starts: 1, Took: past}, "1", "ssh exited with status 7; autossh exiting"},
		{"host", End{Status: 0, Starts: 2, Took: gate}, "0", "ssh exited with status 0; autossh exiting"},
		{"host", End{Status: 1, Starts: 2, Took: gate}, "again", "ssh exited with error status 1; restarting ssh"},
		{"host", End{Status: 2, Starts: 2, Took: gate}, "again", "ssh exited with error status 2; restarting ssh"},
		{"host", End{Status: 255, Starts: 2, Took: gate}, "again", "ssh exited with error status 255; restarting ssh"},
		{"host", End{Status: 127, Starts: 2, Took: gate}, "1", "ssh exited with status 127; autossh exiting"},
		{"host", End{Cause: CauseSignal, Status: 9, Starts: 1, Took: gate}, "again", "ssh exited on signal 9, restarting ssh"},
		{"host", End{Cause: CauseRestart, Starts: 1, Took: gate}, "again", ""},
		{"-f host", End{Status: 0, Starts: 1}, "0", "ssh exited with status 0; autossh exiting"},
		{"-f host", End{Status: 1, Starts: 1}, "again", "ssh exited with error status 1; restarting ssh"},
		{"-f host", End{Status: 255, Starts: 1}, "again", "ssh exited with error status 255; restarting ssh"},
		{"AUTOSSH_GATETIME=0 host", End{Status: 2, Starts: 1}, "again", "ssh exited with error status 2; restarting ssh"},
		{"AUTOSSH_GATETIME=0 host", End{Status: 3, Starts: 1}, "1", "ssh exited with status 3; autossh exiting"},
		{"AUTOSSH_GATETIME=3 host", End{Status: 255, Starts: 1, Took: gate}, "again", "ssh exited with error status 255; restarting ssh"},
		{"AUTOSSH_MAXSTART=2 host", End{Status: 255, Starts: 2}, "0", "ssh exited with error status 255; restarting ssh|max start count reached; exiting"},
		{"AUTOSSH_MAXSTART=2 host", End{Cause: CauseRestart, Starts: 2}, "0", "max start count reached; exiting"},
		{"AUTOSSH_MAXSTART=2 host", End{Status: 255, Starts: 4, Free: 3}, "again", "ssh exited with error status 255; restarting ssh"},
		{"AUTOSSH_MAXSTART=2 host", End{Status: 7, Starts: 2}, "1", "ssh exited with status 7; autossh exiting"},
		{"AUTOSSH_MAXSTART=3 host", End{Status: 255, Starts: 2}, "again", "ssh exited with error status 255; restarting ssh"},
		{"AUTOSSH_MAXLIFETIME=60 host", End{Status: 255, Starts: 2, Age: time.Minute}, "0", "ssh exited with error status 255; restarting ssh|exceeded maximum time to live, shutting down"},
		{"AUTOSSH_MAXLIFETIME=60 host", End{Status: 255, Starts: 2, Age: 59 * time.Second}, "again", "ssh exited with error status 255; restarting ssh"},
	} {
		command, refusal := parse(t, c.line)
		if refusal != nil {
			t.Fatal(refusal)
		}
		v := NewRestarts(command).Next(c.end)
		got := "again"
		if v.Exit {
			got = fmt.Sprint(v.Code)
		}
		var said []string
		for _, e := range v.Log {
			if e.Level <= LevelInfo {
				said = append(said, e.Text)
			}
		}
		if got != c.want || strings.Join(said, "|") != c.messages {
			t.Errorf("%s %+v: %s %q, want %s %q", c.line, c.end, got, said, c.want, c.messages)
		}
	}
}

func TestFirstStart(t *testing.T) {
	for line, exits := range map[string]bool{"host": false, "AUTOSSH_MAXSTART=0 host": true, "AUTOSSH_MAXSTART=1 host": false} {
		command, _ := parse(t, line)
		if v := NewRestarts(command).First(); v.Exit != exits || v.Code != 0 {
			t.Errorf("%s: %+v", line, v)
		}
	}
}

// The waits that autossh 1.4g's grace_time computes for ends in a row that come at once.
func TestBackoff(t *testing.T) {
	for _, c := range []struct {
		line string
		want []int // seconds
	}{
		{"host", []int{0, 0, 0, 0, 0, 2, 8, 18, 32, 50, 72, 98, 128, 162, 200, 241, 288, 338, 392, 450, 512, 578, 600, 600}},
		{"AUTOSSH_POLL=60 host", []int{0, 0, 0, 0, 0, 0, 0, 1, 3, 5, 7, 9, 12, 16, 20, 24, 28, 33, 39, 45, 51, 57, 60, 60}},
		{"AUTOSSH_POLL=1 host", []int{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1}},
	} {
		command, _ := parse(t, c.line)
		r := NewRestarts(command)
		for i, want := range c.want {
			v := r.Next(End{Status: StatusFailed, Starts: i + 2, Took: time.Second})
			if v.Wait != time.Duration(want)*time.Second {
				t.Errorf("%s: wait %d is %v, want %d s", c.line, i+1, v.Wait, want)
			}
		}
	}
}

func TestBackoffStartsAnewAfterALongRun(t *testing.T) {
	for _, c := range []struct {
		line string
		took time.Duration
		want time.Duration
	}{
		{"host", 59 * time.Second, 8 * time.Second}, {"host", 60 * time.Second, 0},
		{"AUTOSSH_POLL=99 host", 9 * time.Second, 1 * time.Second}, {"AUTOSSH_POLL=99 host", 10 * time.Second, 0},
		{"AUTOSSH_POLL=209 host", 19 * time.Second, 2 * time.Second}, {"AUTOSSH_POLL=209 host", 20 * time.Second, 0},
	} {
		command, _ := parse(t, c.line)
		r := NewRestarts(command)
		for i := range 6 {
			r.Next(End{Status: StatusFailed, Starts: i + 2})
		}
		if v := r.Next(End{Status: StatusFailed, Starts: 8, Took: c.took}); v.Wait != c.want {
			t.Errorf("%s after %v: wait %v, want %v", c.line, c.took, v.Wait, c.want)
		}
	}
}

func TestTimesOfTheLoop(t *testing.T) {
	for _, c := range []struct {
		line             string
		poll, first, net time.Duration
		startup          string
	}{
		{"host", 600 * time.Second, 600 * time.Second, 15 * time.Second, ""},
		{"-M 0 host", 600 * time.Second, 600 * time.Second, 15 * time.Second, "port set to 0, monitoring disabled"},
		{"AUTOSSH_POLL=30 host", 30 * time.Second, 30 * time.Second, 15 * time.Second, ""},
		{"AUTOSSH_POLL=29 host", 29 * time.Second, 29 * time.Second, 14500 * time.Millisecond, "short poll time: adjusting net timeouts to 14500"},
		{"AUTOSSH_POLL=4 AUTOSSH_FIRST_POLL=60 -M 0 host", 4 * time.Second, time.Minute, 2 * time.Second, "port set to 0, monitoring disabled|short poll time: adjusting net timeouts to 2000"},
		{"AUTOSSH_POLL=-5 host", 600 * time.Second, 600 * time.Second, 15 * time.Second, ""},
		{"AUTOSSH_POLL=60 AUTOSSH_FIRST_POLL=-1 host", time.Minute, 600 * time.Second, 15 * time.Second, ""},
		{
			"AUTOSSH_MAXLIFETIME=20 AUTOSSH_FIRST_POLL=30 host", 20 * time.Second, 20 * time.Second, 10 * time.Second,
			"poll time is greater than lifetime, dropping poll time to 20|first poll time is greater than lifetime, dropping first poll time to 20|short poll time: adjusting net timeouts to 10000",
		},
		{"AUTOSSH_MAXLIFETIME=-5 host", 600 * time.Second, 600 * time.Second, 15 * time.Second, ""},
	} {
		command, refusal := parse(t, c.line)
		if refusal != nil {
			t.Fatal(refusal)
		}
		var said []string
		for _, e := range command.Startup {
			said = append(said, e.Text)
		}
		s := command.Settings
		if s.Poll != c.poll || s.FirstPoll != c.first || s.NetTimeout != c.net || strings.Join(said, "|") != c.startup {
			t.Errorf("%s: %+v %q", c.line, s, said)
		}
	}
}

func TestNextTest(t *testing.T) {
	for _, c := range []struct {
		line  string
		first bool
		age   time.Duration
		want  time.Duration
	}{
		{"AUTOSSH_FIRST_POLL=30 host", true, 0, 30 * time.Second},
		{"AUTOSSH_FIRST_POLL=30 host", false, 0, 600 * time.Second},
		{"AUTOSSH_MAXLIFETIME=1000 host", false, 300 * time.Second, 600 * time.Second},
		{"AUTOSSH_MAXLIFETIME=1000 host", false, 900 * time.Second, 100 * time.Second},
		{"AUTOSSH_MAXLIFETIME=1000 host", true, 2000 * time.Second, 0},
	} {
		command, _ := parse(t, c.line)
		if got := command.Settings.NextTest(c.first, c.age); got != c.want {
			t.Errorf("%s after %v: %v, want %v", c.line, c.age, got, c.want)
		}
	}
}

func TestLines(t *testing.T) {
	at := time.Date(2026, 11, 5, 7, 8, 9, 0, time.UTC)
	for got, want := range map[string]string{
		FileLine(at, "autossh", 42, StartingSSH(1, -1).Text):     "2026/11/05 07:08:09 autossh[42]: starting ssh (count 1)\n",
		FileLine(at, "autossh", 42, StartingSSH(1, 3).Text):      "2026/11/05 07:08:09 autossh[42]: starting ssh (count 1 of 3)\n",
		SyslogLine(at, "autossh", 42, PortDown()):                "<14>Nov  5 07:08:09 autossh[42]: port down, restarting ssh",
		SyslogLine(at, "autossh", 42, ConnectionOK()):            "<15>Nov  5 07:08:09 autossh[42]: connection ok",
		StderrLine("autossh", 42, "signalled to exit"):           "autossh[42]: signalled to exit\n",
		TestLine("vm", "autossh", 15992, 477829102, ""):          "vm autossh 15992 477829102 \r\n",
		TestLine("vm", "autossh", 15992, 477829102, "hello you"): "vm autossh 15992 477829102 hello you\r\n",
		VersionLine("autossh", "v1"):                             "autossh 1.4g (tunneld v1)\n",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
