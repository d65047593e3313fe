package eventlog

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/monitor"
)

// A tunnel that has begun anew counts from one again; one that has ended is not asked for again, and the others are.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.Local)
		event := func(number uint64, text string) monitor.Event {
			return monitor.Event{Number: number, Time: at.Add(time.Duration(len(text)) * time.Second), Level: "info", Text: foreign.Line(text)}
		}
		gone := errors.New("gone")
		calls := 0
		db := &Tunnel{Name: "db", After: func(_ context.Context, number uint64) ([]monitor.Event, uint64, error) {
			switch calls++; {
			case calls == 1:
				return []monitor.Event{event(7, "a"), event(8, "abc")}, 8, nil
			case number == 8:
				return nil, 1, nil // another one
			case number == 0:
				return []monitor.Event{event(1, "abcd")}, 1, nil
			case calls > 5:
				return nil, 0, gone
			}
			return nil, number, nil
		}}
		asked := 0
		web := &Tunnel{Name: "web", After: func(_ context.Context, number uint64) ([]monitor.Event, uint64, error) {
			if asked++; asked > 1 {
				return nil, 0, gone
			}
			return []monitor.Event{event(1, "ab")}, 1, nil
		}}
		var out strings.Builder
		if err := Read(t.Context(), &out, false, []*Tunnel{db, web}, true); err != nil {
			t.Error(err)
		}
		want := "2026-11-22\n12:00:01 INF db: a\n12:00:02 INF web: ab\n12:00:03 INF db: abc\n12:00:04 INF db: abcd\nstopped\n"
		if out.String() != want || asked != 2 {
			t.Errorf("asked %d times, it shows\n%swant\n%s", asked, out.String(), want)
		}
	})
}
