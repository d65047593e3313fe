// Command testreport reads what `go test -json` prints, shows failures and packages as they come, and at the end says
// which tests were skipped and why. It exits with 1 when a test has failed, and, where the environment has CI=true,
// when one was skipped.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

func main() {
	r := newReport(os.Stdout)
	if err := r.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(1)
	}
	if !r.finish(os.Getenv("CI") == "true") {
		os.Exit(1)
	}
}

// event is one line of test2json's output.
type event struct {
	Action     string
	Package    string
	ImportPath string // of build events
	Test       string // empty for the package itself
	Elapsed    float64
	Output     string
}

// report gathers what has to be said at the end.
type report struct {
	out     io.Writer
	started time.Time
	output  map[string][]string // by package and test, until it has passed
	passed  int
	failed  []string
	skipped []string
	begun   map[string]bool // and not ended: what comes here is not all
}

func newReport(out io.Writer) *report {
	return &report{out: out, started: time.Now(), output: make(map[string][]string), begun: make(map[string]bool)}
}

// read takes events to the end of in; lines that are none are passed on.
func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		text, err := lines.ReadString('\n')
		var e event
		switch {
		case text == "":
		case json.Unmarshal([]byte(text), &e) == nil:
			r.take(e)
		default:
			fmt.Fprint(r.out, text)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) take(e event) {
	name := e.Package + "\t" + e.Test
	switch e.Action {
	case "start", "run":
		r.begun[short(e)] = true
	case "fail", "skip", "pass":
		delete(r.begun, short(e))
	}
	switch e.Action {
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "output":
		r.output[name] = append(r.output[name], e.Output)
	case "fail":
		r.failed = append(r.failed, short(e))
		fmt.Fprint(r.out, strings.Join(r.output[name], ""))
		delete(r.output, name)
	case "skip":
		if e.Test != "" {
			r.skipped = append(r.skipped, short(e)+": "+reason(r.output[name]))
		}
		delete(r.output, name)
	case "pass":
		if e.Test != "" {
			r.passed++
		} else {
			fmt.Fprintf(r.out, "ok    %s  %.1fs\n", e.Package, e.Elapsed)
		}
		delete(r.output, name)
	}
}

// finish prints the sum and reports whether all is well.
func (r *report) finish(strict bool) bool {
	fmt.Fprintf(r.out, "\nall tests took %v\n%d passed, %d failed, %d skipped\n",
		time.Since(r.started).Round(time.Second), r.passed, len(r.failed), len(r.skipped))
	for _, name := range r.failed {
		fmt.Fprintln(r.out, "failed:", name)
	}
	for _, text := range r.skipped {
		fmt.Fprintln(r.out, "skipped:", text)
	}
	for _, name := range slices.Sorted(maps.Keys(r.begun)) {
		fmt.Fprintln(r.out, "not ended:", name)
	}
	switch {
	case len(r.failed) > 0 || len(r.begun) > 0:
		return false
	case r.passed == 0:
		fmt.Fprintln(r.out, "no test has run")
		return false
	case strict && len(r.skipped) > 0:
		fmt.Fprintln(r.out, "CI=true: nothing may be skipped here")
		return false
	}
	return true
}

// short names a test, or a package, without the module.
func short(e event) string {
	name := strings.TrimPrefix(e.Package, "github.com/tunneld/tunneld/")
	if e.Test != "" {
		name += " " + e.Test
	}
	return name
}

// reason finds what t.Skip said in a test's output: "    file_test.go:12: why".
func reason(output []string) string {
	for _, l := range output {
		if _, why, found := strings.Cut(l, "_test.go:"); found {
			if _, why, found = strings.Cut(why, ": "); found {
				return strings.TrimSpace(why)
			}
		}
	}
	return "no reason given"
}
