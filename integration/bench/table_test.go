package bench

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
)

// column is something that a turn measures of each program.
type column struct{ what, unit, aim string }

// row is what has been measured of tunneld and of another program, by turn.
type row struct {
	column
	rival        string
	ours, theirs []float64
}

var table struct {
	sync.Mutex
	rows []row
}

// turns measures tunneld and a rival one after the other, once in each iteration of a benchmark, and once in a test.
func turns(t testing.TB, rival string, columns []column, ours, theirs func() []float64) {
	t.Helper()
	rows := make([]row, len(columns))
	for i, c := range columns {
		rows[i] = row{column: c, rival: rival}
	}
	turn := func() {
		us, them := ours(), theirs()
		for i := range rows {
			rows[i].ours, rows[i].theirs = append(rows[i].ours, us[i]), append(rows[i].theirs, them[i])
		}
	}
	b, benchmark := t.(*testing.B)
	if !benchmark {
		turn()
		return
	}
	for b.Loop() {
		turn()
	}
	b.ReportMetric(0, "ns/op")
	for _, r := range rows {
		b.ReportMetric(lab.Median(r.ratios()), strings.ReplaceAll(r.what, " ", "-")+"-ratio")
		b.Log(r)
	}
	table.Lock()
	defer table.Unlock()
	table.rows = append(table.rows, rows...)
}

// run is Run of a test or of a benchmark.
func run(t testing.TB, name string, scene func(testing.TB)) {
	t.Helper()
	switch t := t.(type) {
	case *testing.B:
		t.Run(name, func(b *testing.B) { scene(b) })
	case *testing.T:
		t.Run(name, func(t *testing.T) { scene(t) })
	}
}

// ratios are ours to theirs, by turn.
func (r row) ratios() []float64 {
	list := make([]float64, len(r.ours))
	for i := range list {
		list[i] = r.ours[i] / r.theirs[i]
	}
	return list
}

func (r row) String() string {
	ratios := r.ratios()
	return fmt.Sprintf("| %s | %s %s | %s | %s | **%.2f** (%.2f–%.2f) | %s |", r.what, figure(lab.Median(r.ours)), r.unit, r.rival,
		figure(lab.Median(r.theirs)), lab.Median(ratios), slices.Min(ratios), slices.Max(ratios), r.aim)
}

// figure has three digits that say something.
func figure(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// missed says of what is missed why that is.
//
//go:embed missed.md
var missed string

// report is the table with what is needed to read it.
func report() string {
	var text strings.Builder
	fmt.Fprintf(&text, "# Benchmarks\n\n`make bench` on %s writes this file. %s, %d cores, %s, %s, %s.\n\n", time.Now().Format(time.DateOnly),
		processor(), runtime.NumCPU(), firstLine("uname", "-sr"), firstLine("ssh", "-V"), runtime.Version())
	text.WriteString("Each program was measured once in each turn, through the same sshd on loopback. Medians; the ratio is that of tunneld to the\n" +
		"other in the same turn, and in parentheses is its spread. The idle ones ask the server every 15 seconds whether it is there,\n" +
		"autossh's by ServerAliveInterval. A connection that stalls does so for three of four seconds.\n\n")
	text.WriteString("| what | tunneld | beside | its figure | ratio (spread) | aim |\n|---|---|---|---|---|---|\n")
	table.Lock()
	defer table.Unlock()
	for _, r := range table.rows {
		fmt.Fprintln(&text, r)
	}
	return text.String() + missed
}

// processor is the machine's, as it calls itself.
func processor() string {
	data, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(data)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func firstLine(words ...string) string {
	out, _ := exec.Command(words[0], words[1:]...).CombinedOutput()
	line, _, _ := bytes.Cut(out, []byte("\n"))
	return string(line)
}
