// Package bench measures tunneld beside ssh and autossh (make bench): each turn measures all of them once, through the same
// server on loopback, and what is reported is how they relate. Figures by themselves drift with the machine. The tests run every
// row once, with next to nothing to carry, and count what a megabyte and an idle tunnel cost.
package bench

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
)

// scale is how much is measured.
type scale struct {
	bulk, far    int64         // bytes of a transfer, and of four together over a long way
	turns, each  int           // connections one at a time; and of each of 50 at a time
	tunnels      int           // that are brought up at once
	idle, more   int           // tunnels that nobody uses; and beside the first, for what one more takes
	span, settle time.Duration // how long they are watched; and how long nothing has to happen before
	roundTrip    time.Duration // of the long way
	stall        time.Duration // three times as long as it stalls, it goes on for once
	stalls       int           // how often
}

var (
	full = scale{512 << 20, 128 << 20, 500, 40, 500, 100, 20, time.Minute, time.Second, 100 * time.Millisecond, time.Second, 4}
	tiny = scale{1 << 20, 1 << 20, 3, 1, 3, 2, 1, 100 * time.Millisecond, 50 * time.Millisecond, 10 * time.Millisecond, 50 * time.Millisecond, 1}
)

// much is full for benchmarks; set once by TestMain.
var much = tiny

func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.bench").Value.String() != "" {
		much = full
	}
	code := lab.Main(m)
	if file := os.Getenv("TUNNELD_BENCH"); file != "" && code == 0 {
		if err := os.WriteFile(file, []byte(report()), 0o644); err != nil { //nolint:gosec // for everybody to read
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// The table is written by benchmarks alone; here it is shown that it says what it was given.
func TestReport(t *testing.T) {
	r := row{column: column{"a thing", "MiB/s", "≥ 1.0"}, rival: "ssh", ours: []float64{3, 1, 2}, theirs: []float64{1, 1, 4}}
	if got, want := r.String(), "| a thing | 2.00 MiB/s | ssh | 1.00 | **1.00** (0.50–3.00) | ≥ 1.0 |"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Every row of the table can be measured.
func TestEveryRow(t *testing.T) {
	lab.Need(t, "ssh", "autossh")
	for name, scene := range map[string]func(testing.TB){
		"one stream": oneStream, "four streams": fourStreams, "open, echo, close": openEchoClose, "small beside bulk": smallBesideBulk,
		"four streams far away": fourStreamsFarAway, "back after a cut": backAfterACut,
		"many tunnels": manyTunnels, "memory": memory, "idle": idle,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scene(t)
		})
	}
}
