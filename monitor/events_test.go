package monitor

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestEventsAreKeptWhateverTheLogShows(t *testing.T) {
	var out bytes.Buffer
	var events Events
	log := slog.New(events.Handler(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelError}))).With("tunnel", "db", "forward", "-L 1:a:2")
	log.Debug("too small")
	log.Warn("connection lost", "err", errors.New("no byte\x1b[2J for 4s"), "state", Waiting, "retry_in", time.Second)
	if out.Len() > 0 {
		t.Errorf("it is logged: %s", &out)
	}
	list, last := events.After(0)
	if len(list) != 1 || last != 1 || list[0].Level != "warn" || list[0].String() != "connection lost: no byte[2J for 4s (forward=-L 1:a:2 retry_in=1s)" {
		t.Errorf("%d: %+v", last, list)
	}
	for i := range 3 * keptEvents {
		log.Info(fmt.Sprint(i))
	}
	list, last = events.After(0)
	if len(list) != keptEvents || last != 3*keptEvents+1 || list[keptEvents-1].Number != last {
		t.Errorf("%d events are kept, the last is %d", len(list), last)
	}
	if list, _ = events.After(last - 2); len(list) != 2 || len(events.recent()) != shownEvents {
		t.Errorf("%d after the last but two, %d recent", len(list), len(events.recent()))
	}
}

func TestOutageIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, options(), &fakeTunnel{})
		w.pass(time.Minute)
		if s := w.Status(); s.LastOutage != nil {
			t.Errorf("the first connection counts as an outage: %+v", s.LastOutage)
		}
		w.tunnel.rule(refuse(refusedDial()))
		w.tunnel.session(t).CloseWith(lost("no byte for 4s"))
		w.pass(10 * time.Second)
		s := w.Status()
		if s.DownSince.IsZero() || !strings.Contains(s.Summary(), "; down since "+s.DownSince.Format(time.TimeOnly)+"; attempt ") {
			t.Errorf("down: %s", s.Summary())
		}
		w.tunnel.rule(nil)
		w.pass(2 * time.Minute)
		s = w.Status()
		o := s.LastOutage
		if o == nil || o.Why.String() != "no byte for 4s" || o.Attempts == 0 || o.Ended.Sub(o.Began) < 10*time.Second {
			t.Fatalf("last outage %+v", o)
		}
		if !strings.HasSuffix(s.Summary(), ": no byte for 4s") || !strings.HasPrefix(s.Summary(), "up, ") {
			t.Errorf("up again: %s", s.Summary())
		}
		w.finish()
	})
}
