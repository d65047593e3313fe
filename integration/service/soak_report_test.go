package service

import (
	"encoding/xml"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// soakSeries is how many things are watched.
const soakSeries = 4

// soakKinds says what they are. What grows by less than the tolerance, in the time that was judged, is called steady.
var soakKinds = [soakSeries]struct {
	name, unit string
	tolerance  float64
	share      float64 // the same as a part of the value; the greater one holds
}{
	{"resident memory", "MiB", 1, 0.04},
	{"heap in use", "MiB", 1, 0.05},
	{"goroutines", "", 3, 0.02},
	{"descriptors", "", 2, 0.02},
}

// soakSample is one look at the process.
type soakSample struct {
	at     time.Duration // since the beginning
	values [soakSeries]float64
}

func (s soakSample) String() string {
	var parts []string
	for i, kind := range soakKinds {
		parts = append(parts, fmt.Sprintf("%s %.4g %s", kind.name, s.values[i], kind.unit))
	}
	return strings.Join(parts, ", ")
}

// soakLog is what a run has seen.
type soakLog struct {
	began   time.Time
	samples []soakSample
	cuts    []time.Duration
}

// table returns at most that many rows, evenly spread, the last one among them.
func (l *soakLog) table(rows int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%10s", "time")
	for _, kind := range soakKinds {
		fmt.Fprintf(&b, "  %20s", strings.TrimSpace(kind.name+" "+kind.unit))
	}
	fmt.Fprintf(&b, "  %5s\n", "cuts")
	rows = min(rows, len(l.samples))
	for row := range rows {
		s := l.samples[(row+1)*len(l.samples)/rows-1]
		fmt.Fprintf(&b, "%10s", s.at.Round(100*time.Millisecond))
		for _, v := range s.values {
			fmt.Fprintf(&b, "  %20.1f", v)
		}
		cuts := 0
		for _, c := range l.cuts {
			if c <= s.at {
				cuts++
			}
		}
		fmt.Fprintf(&b, "  %5d\n", cuts)
	}
	return b.String()
}

// judgement is whether one series grows.
type judgement struct {
	name, unit string
	low        []float64     // the least value of each window
	from, to   time.Duration // what was judged
	tau        float64       // Kendall's, of the windows: 1 when each is above all before it, 0 without an order
	growth     float64       // from the first window to the last, by the median of all slopes
	tolerance  float64
	short      bool // too short a time to tell
	growing    bool
}

func (j judgement) String() string {
	word := "steady"
	switch {
	case j.short:
		word = "too short to tell"
	case j.growing:
		word = "GROWING"
	}
	text := fmt.Sprintf("%s (%+.2f %s in %s, tolerance %.2f; order of the windows %+.2f",
		word, j.growth, j.unit, (j.to - j.from).Round(time.Second), j.tolerance, j.tau)
	if j.growing {
		text += fmt.Sprintf("; that is %.0f %s a day", j.growth/(j.to-j.from).Hours()*24, j.unit)
	}
	return strings.ReplaceAll(text, "  ", " ") + ")"
}

const (
	soakLeast   = time.Minute // of time to judge
	soakWarmUp  = 0.25        // of the time, in which pools and caches fill
	soakWindows = 12
	soakTau     = 0.5 // at 12 windows, a series without a trend has it once in 70 times (Kendall 1938)
)

// judge tells for each series whether it grows: the samples after the warm-up are cut into windows, of each the least value
// is taken, which is what remains between two garbage collections and two cuts, and those are put to Kendall's test of rank
// with the slope of Theil and Sen. Growing is what rises steadily and by more than the tolerance.
func (l *soakLog) judge() []judgement {
	var list []judgement
	for i, kind := range soakKinds {
		j := judgement{name: kind.name, unit: kind.unit}
		kept := l.samples[int(float64(len(l.samples))*soakWarmUp):]
		windows := min(soakWindows, len(kept))
		for w := range windows {
			low := kept[w*len(kept)/windows : (w+1)*len(kept)/windows]
			j.low = append(j.low, slices.MinFunc(low, func(a, b soakSample) int { return compareFloats(a.values[i], b.values[i]) }).values[i])
		}
		if windows > 1 {
			j.from, j.to = kept[0].at, kept[len(kept)-1].at
			j.tau, j.growth = kendall(j.low)
			j.tolerance = max(kind.tolerance, kind.share*slices.Min(j.low))
			j.short = j.to-j.from < soakLeast
			j.growing = !j.short && j.tau > soakTau && j.growth > j.tolerance
		}
		list = append(list, j)
	}
	return list
}

func compareFloats(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// kendall returns the rank correlation of values with their order, and the median of all slopes times their number.
func kendall(values []float64) (tau, growth float64) {
	var slopes []float64
	order := 0
	for i := range values {
		for k := i + 1; k < len(values); k++ {
			order += compareFloats(values[k], values[i])
			slopes = append(slopes, (values[k]-values[i])/float64(k-i))
		}
	}
	slices.Sort(slopes)
	return float64(order) / float64(len(slopes)), slopes[len(slopes)/2] * float64(len(values)-1)
}

// soakVerdict returns a line for each series.
func soakVerdict(list []judgement) string {
	var b strings.Builder
	for _, j := range list {
		fmt.Fprintf(&b, "%-16s %s\n", j.name+":", j)
	}
	return b.String()
}

// The drawing's measures, in pixels.
const (
	drawingWidth, panelHeight = 900, 150
	panelLeft, panelTop       = 70, 46
)

// svg draws a panel for each series: the samples, the least of each window, and the cuts.
func (l *soakLog) svg(judgements []judgement) string {
	var b strings.Builder
	height := panelTop + soakSeries*(panelHeight+44)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="sans-serif" font-size="12">`+"\n", drawingWidth, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/><text x="%d" y="20" font-size="15">tunneld, %d tunnels under steady load, %d cuts, from %s</text>`+"\n",
		panelLeft, soakTunnels, len(l.cuts), l.began.Format(time.DateTime))
	for i, j := range judgements {
		l.panel(&b, i, j, panelTop+i*(panelHeight+44))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (l *soakLog) panel(b *strings.Builder, series int, j judgement, top int) {
	if len(l.samples) == 0 {
		return
	}
	most := 0.0
	for _, s := range l.samples {
		most = max(most, s.values[series])
	}
	most = max(most*1.1, 1)
	whole := l.samples[len(l.samples)-1].at
	x := func(at time.Duration) float64 {
		return panelLeft + float64(drawingWidth-panelLeft-20)*float64(at)/float64(max(whole, 1))
	}
	y := func(value float64) float64 { return float64(top+16) + panelHeight*(1-value/most) }
	color := "#1a7f37"
	if j.growing {
		color = "#cf222e"
	}
	fmt.Fprintf(b, `<g><text x="%d" y="%d">%s: <tspan fill="%s">%s</tspan></text>`+"\n", panelLeft, top+8, j.name, color, j)
	for _, c := range l.cuts {
		fmt.Fprintf(b, `<path d="M%.1f %.1fV%.1f" stroke="#ddd"/>`, x(c), y(0), y(most))
	}
	fmt.Fprintf(b, `<path d="M%d %.1fV%.1fH%d" fill="none" stroke="#888"/>`, panelLeft, y(most), y(0), drawingWidth-20)
	for _, value := range []float64{0, most / 2, most} {
		fmt.Fprintf(b, `<text x="%d" y="%.1f" text-anchor="end">%.4g %s</text>`, panelLeft-6, y(value)+4, value, j.unit)
	}
	fmt.Fprintf(b, `<text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", drawingWidth-20, y(0)+14, whole.Round(time.Second))
	b.WriteString(`<polyline fill="none" stroke="#0969da" points="`)
	for _, s := range l.samples {
		fmt.Fprintf(b, "%.1f,%.1f ", x(s.at), y(s.values[series]))
	}
	b.WriteString("\"/>\n")
	for w, low := range j.low {
		at := j.from + time.Duration(float64(j.to-j.from)*(float64(w)+0.5)/float64(len(j.low)))
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`, x(at), y(low), color)
	}
	b.WriteString("</g>\n")
}

// What grows is told from what is only restless, and the drawing is one.
func TestSoakVerdict(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for name, c := range map[string]struct {
		value func(part float64) float64 // part of the time that has passed
		want  bool
	}{
		"noise":              {func(float64) float64 { return 30 + 8*random.Float64() }, false},
		"warm-up":            {func(part float64) float64 { return 30 - 20*max(0, 0.2-part) + 3*random.Float64() }, false},
		"a leak":             {func(part float64) float64 { return 30 + 6*part + 8*random.Float64() }, true},
		"steps":              {func(part float64) float64 { return 30 + float64(int(part*8)) + 2*random.Float64() }, true},
		"a trifle":           {func(part float64) float64 { return 30 + 0.5*part }, false},
		"growth that ceased": {func(part float64) float64 { return 30 + 10*min(part, 0.25) + random.Float64() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			const count = 300
			log := &soakLog{began: time.Now(), cuts: []time.Duration{time.Minute}}
			for i := range count {
				v := c.value(float64(i) / count)
				log.samples = append(log.samples, soakSample{at: time.Duration(i) * 2 * time.Second, values: [soakSeries]float64{v, v, 50, 20}})
			}
			judgements := log.judge()
			if j := judgements[0]; j.growing != c.want {
				t.Errorf("growing is %v, want %v: %s; windows %.1f", j.growing, c.want, j, j.low)
			}
			if judgements[2].growing || judgements[3].growing {
				t.Errorf("what stands still grows: %s", soakVerdict(judgements))
			}
			in := xml.NewDecoder(strings.NewReader(log.svg(judgements)))
			for {
				if _, err := in.Token(); err == io.EOF {
					break
				} else if err != nil {
					t.Fatalf("the drawing: %v", err)
				}
			}
			if lines := strings.Count(log.table(20), "\n"); lines != 21 {
				t.Errorf("the table has %d lines, want a head and 20 rows", lines)
			}
		})
	}
}
