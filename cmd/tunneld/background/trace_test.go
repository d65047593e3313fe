package background

import (
	"bytes"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

// leave has this process leave a trace, as long as the function that it returns is not called, which is its end without a word.
func leave(t *testing.T, path string, names ...string) (trace *Trace, die func()) {
	t.Helper()
	trace, err := LeaveTrace(path, names)
	if err != nil {
		t.Fatal(err)
	}
	die = func() {
		debug.SetCrashOutput(nil, debug.CrashOptions{}) // the runtime has a descriptor of its own
		trace.file.Close()
	}
	t.Cleanup(die)
	return trace, die
}

func shown(paths []string, words ...string) string {
	var out bytes.Buffer
	ShowEnded(&out, paths, words)
	return out.String()
}

// "it was killed" was told of a process that lived: one that was stopped by SIGSTOP, or had put down the tunnel and ran another.
func TestNothingIsToldOfAProcessThatLives(t *testing.T) {
	path := filepath.Join(t.TempDir(), "one.ended")
	_, die := leave(t, path, "one", "two")
	if text := shown([]string{path}, "one"); text != "" || HasEnded([]string{path}, "one") {
		t.Errorf("of a process that lives it says\n%s", text)
	}
	die()
	if text := shown([]string{path}, "one"); !strings.Contains(text, "it left no word: it was killed") || !HasEnded([]string{path}, "one") {
		t.Errorf("of a process that has ended it says %q", text)
	}
}

// The trace of a process of several tunnels was found under the name of the first alone.
func TestTraceIsFoundUnderEachName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "one.ended")
	trace, die := leave(t, path, "one", "two words", `a"quote`, "x: process 5")
	trace.Rename([]string{"one", "two words", `a"quote`, "x: process 5", "later"})
	die()
	for _, word := range []string{"one", "two words", `a"quote`, "x: process 5", "later", "lat*"} {
		if !strings.HasPrefix(shown([]string{path}, "no", word), "one ") {
			t.Errorf("it is not found by %q", word)
		}
	}
	for _, word := range []string{"two", "words", "process", "o", "no*"} {
		if text := shown([]string{path}, word); text != "" {
			t.Errorf("%q finds %q", word, text)
		}
	}
	if text := shown([]string{path}); text == "" {
		t.Error("without a name it is not found")
	}
}

func TestNamesOfATrace(t *testing.T) {
	for head, want := range map[string][]string{
		"one: process 1, in the background since now":          {"one"},
		`one "t w o" x: process 1, in the background since a:`: {"one", "t w o", "x"},
		`"": process 1`:    {""},
		`"open: process 1`: {`"open`},
		"no head at all":   nil,
		"":                 nil,
		": process 1":      nil,
	} {
		if got := namesIn(head); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", head, got, want)
		}
	}
}

// One that ends in good order takes its own file away, and no other that was put there meanwhile.
func TestTraceOfAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "one.ended")
	first, _ := leave(t, path, "one")
	_, die := leave(t, path, "one")
	first.Close()
	die()
	if shown([]string{path}, "one") == "" {
		t.Error("the next one's is gone")
	}
}

// Words of before stay, with what was said in the end.
func TestLastWords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "one.ended")
	trace, die := leave(t, path, "one")
	if _, err := trace.Write([]byte("tunneld: one: refused\n")); err != nil {
		t.Fatal(err)
	}
	trace.Rename([]string{"two"}) // too late
	trace.Close()
	die()
	text := shown([]string{path}, "one")
	if !strings.Contains(text, "\nended ") || !strings.HasSuffix(text, "\ntunneld: one: refused\n") || strings.Contains(text, "no word") {
		t.Errorf("it says\n%s", text)
	}
}
