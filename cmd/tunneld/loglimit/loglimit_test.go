package loglimit

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// A server's banners made 220 MB of log in 11 s.
func TestLogIsBounded(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))).With("tunnel", "db")
	for range 100_000 {
		log.Debug("banner of the server", "text", strings.Repeat("x", 1000))
		log.Info("banner of the server", "text", strings.Repeat("x", 1000))
	}
	if out.Len() > 3<<20 {
		t.Errorf("%d bytes were logged", out.Len())
	}
	log.Warn("something that matters")
	if !strings.Contains(out.String(), "something that matters") {
		t.Error("a flood of debug and info has crowded out a warning")
	}
}

// A server that has one tunnel warn without end kept from the log why another one had failed for good.
func TestFloodOfWarningsLeavesErrors(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(New(slog.NewTextHandler(&out, nil)))
	for range 10_000 {
		log.With("tunnel", "flooded").Warn("connection lost", "err", strings.Repeat("x", 200))
	}
	log.With("tunnel", "other").Error("failed for good, the other tunnels go on", "err", "the host key has changed")
	if !strings.Contains(out.String(), "the host key has changed") {
		t.Error("a flood of warnings has crowded out an error")
	}
}

// Whoever looks at a log that is silent sees that it was made so, even where nothing follows; and the note is nobody's in
// particular, since every tunnel shares the budget.
func TestLogSaysWhenItLeavesOut(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(New(slog.NewTextHandler(&out, nil))).With("tunnel", "flooded")
	for range 10_000 {
		log.Warn("connection lost", "err", strings.Repeat("x", 200))
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if last := lines[len(lines)-1]; !strings.Contains(last, "left out") || strings.Contains(last, "flooded") {
		t.Errorf("the log ends with %q", last)
	}
}

func TestLogSaysWhatWasLeftOut(t *testing.T) {
	now := time.Now()
	m := NewMeter(Budget{Burst: 1000, Rate: 100})
	if ok, _ := m.Take(now, 900); !ok {
		t.Fatal("the first does not fit")
	}
	for range 3 {
		if ok, _ := m.Take(now, 500); ok {
			t.Error("more than the burst was let through")
		}
	}
	if ok, lost := m.Take(now.Add(5*time.Second), 500); !ok || lost != 3 {
		t.Errorf("later: %v, %d were left out, want 3", ok, lost)
	}
}

// Who waits for room for several is silent for longer, and says more at a time.
func TestMeterResumesWithRoom(t *testing.T) {
	now := time.Now()
	m := NewMeter(Budget{Burst: 1000, Rate: 10, Resume: 500})
	m.Take(now, 1000)
	if ok, _ := m.Take(now, 10); ok {
		t.Error("more than the burst was let through")
	}
	if ok, _ := m.Take(now.Add(20*time.Second), 10); ok {
		t.Error("it resumes with room for 200")
	}
	if ok, lost := m.Take(now.Add(50*time.Second), 10); !ok || lost != 2 {
		t.Errorf("%v, %d were left out, want 2", ok, lost)
	}
}
