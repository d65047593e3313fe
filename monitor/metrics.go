package monitor

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tunneld/tunneld/tunnel"
)

// The metrics, named as Prometheus' conventions ask. Labels are bounded: tunnels and forwards by the configuration, all
// others by this package.
var (
	metricUp       = describe("up", "Whether the tunnel carries connections: 1 or 0.", "tunnel")
	metricState    = describe("state", "The state of the tunnel: 1 for the one it is in, 0 for the others.", "tunnel", "state")
	metricSince    = describe("state_since_timestamp_seconds", "When the tunnel entered its state.", "tunnel")
	metricSessions = describe("sessions", "SSH connections that are up, without those being retired.", "tunnel")
	metricExpiry   = describe("certificate_expiry_timestamp_seconds", "When the first of the user certificates in use ends.", "tunnel")

	metricConnects     = describe("connects_total", "Attempts to connect, by result and the phase that failed.", "tunnel", "result", "phase")
	metricReconnects   = describe("reconnects_total", "SSH connections made after one was lost.", "tunnel")
	metricReplacements = describe("replacements_total", "SSH connections made beside one that was then retired.", "tunnel")
	metricSessionTime  = describe("session_seconds_total", "Time that SSH connections have been up, summed over all of them.", "tunnel")
	metricOutage       = describe("outage_seconds_total", "Time that the tunnel was wanted and down.", "tunnel")
	metricRTT          = describe("probe_rtt_seconds", "Round trips of answered probes.", "tunnel", "probe")
	metricMissed       = describe("probes_missed_total", "Probes that were not answered in time.", "tunnel", "probe")
	metricWire         = describe("wire_bytes_total", "Bytes on the wire with all that SSH adds; in is from the server.", "tunnel", "direction")

	metricListening = describe("forward_listening", "Whether the forward listens: 1 or 0.", "tunnel", "forward")
	metricStandby   = describe("forward_standby", "Whether another connection has the port of the forward: 1 or 0.", "tunnel", "forward")
	metricOpen      = describe("forward_connections", "Connections of the forward that are open.", "tunnel", "forward")
	metricTotal     = describe("forward_connections_total", "Connections of the forward.", "tunnel", "forward")
	metricHeld      = describe("forward_held", "Connections of the forward that wait for the tunnel.", "tunnel", "forward")
	metricRefused   = describe("forward_refused_total", "Connections of the forward that ended before a byte was carried.", "tunnel", "forward")
	metricBytes     = describe("forward_bytes_total", "Bytes that the forward has carried; in is from the server.", "tunnel", "forward", "direction")
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("tunneld_"+name, help, labels, nil)
}

// Collector returns the metrics of the tunnels that monitors names at the time of each scrape.
func Collector(monitors func() []*Monitor) prometheus.Collector { return collector{monitors} }

type collector struct{ monitors func() []*Monitor }

// Describe returns nothing: which tunnels there are is known at the scrape only.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect reads what Status says, so that both agree.
func (c collector) Collect(out chan<- prometheus.Metric) {
	for _, m := range c.monitors() {
		s, counts := m.snapshot()
		g := gauges{out, label(s.Name)}
		g.tunnel(s, time.Now())
		g.counts(s, counts)
		for _, f := range s.Forwards {
			g.forward(f)
		}
	}
}

// gauges sends the metrics of one tunnel.
type gauges struct {
	out  chan<- prometheus.Metric
	name string
}

func (g gauges) send(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
	for i := range labels {
		labels[i] = label(labels[i])
	}
	metric, err := prometheus.NewConstMetric(d, kind, value, append([]string{g.name}, labels...)...)
	if err != nil {
		metric = prometheus.NewInvalidMetric(d, err)
	}
	g.out <- metric
}

func (g gauges) gauge(d *prometheus.Desc, value float64, labels ...string) {
	g.send(d, prometheus.GaugeValue, value, labels...)
}

func (g gauges) counter(d *prometheus.Desc, value float64, labels ...string) {
	g.send(d, prometheus.CounterValue, value, labels...)
}

func (g gauges) tunnel(s Status, now time.Time) {
	g.gauge(metricUp, one(s.State.Carries()))
	for _, state := range []State{Idle, Connecting, Up, Suspect, Waiting, Failed, Stopped} {
		g.gauge(metricState, one(s.State == state), string(state))
	}
	g.gauge(metricSince, timestamp(s.Since))
	var sessions int
	var expires time.Time
	for _, session := range s.Sessions {
		if session.State.Carries() && !session.Retiring {
			sessions++
		}
		expires = sooner(expires, session.Expires)
	}
	g.gauge(metricSessions, float64(sessions))
	if !expires.IsZero() {
		g.gauge(metricExpiry, timestamp(expires))
	}
}

func (g gauges) counts(s Status, c counters) {
	for o, n := range c.connects {
		g.counter(metricConnects, float64(n), o.result, o.phase)
	}
	g.counter(metricReconnects, float64(c.reconnects))
	g.counter(metricReplacements, float64(c.replacements))
	g.counter(metricSessionTime, c.sessionTime.Seconds())
	g.counter(metricOutage, c.outage.Seconds())
	g.counter(metricWire, float64(s.BytesIn), "in")
	g.counter(metricWire, float64(s.BytesOut), "out")
	for probe, p := range c.probes {
		g.histogram(probe, p)
		g.counter(metricMissed, float64(p.missed), probe)
	}
}

func (g gauges) histogram(probe string, p *probeCount) {
	buckets, total := make(map[float64]uint64, len(rttBounds)), uint64(0)
	for i, n := range p.buckets {
		total += n
		if i < len(rttBounds) {
			buckets[rttBounds[i].Seconds()] = total
		}
	}
	metric, err := prometheus.NewConstHistogram(metricRTT, total, p.sum.Seconds(), buckets, g.name, probe)
	if err != nil {
		metric = prometheus.NewInvalidMetric(metricRTT, err)
	}
	g.out <- metric
}

func (g gauges) forward(f ForwardStatus) {
	name := f.Spec
	g.gauge(metricListening, one(f.State == tunnel.ForwardListening), name)
	g.gauge(metricStandby, one(f.State == tunnel.ForwardStandby), name)
	g.gauge(metricOpen, float64(f.Open), name)
	g.gauge(metricHeld, float64(f.Held), name)
	g.counter(metricTotal, float64(f.Total), name)
	g.counter(metricRefused, float64(f.Refused), name)
	g.counter(metricBytes, float64(f.BytesIn), name, "in")
	g.counter(metricBytes, float64(f.BytesOut), name, "out")
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func timestamp(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }

// label writes bytes that are not UTF-8, which a name may have and Prometheus takes from nobody, as \xNN: two names stay two.
func label(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		if r == utf8.RuneError && size == 1 {
			fmt.Fprintf(&b, "\\x%02x", text[0])
		} else {
			b.WriteString(text[:size])
		}
		text = text[size:]
	}
	return b.String()
}
