package monitor

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tunneld/tunneld/tunnel/fault"
)

// A long outage does not fill the log: each attempt is told for a minute, then it is summed up. A new reason is news.
func TestLongOutageIsSummedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := &fault.Error{Phase: fault.PhaseDial, Err: errors.New("connection refused"), Hint: "is the server up?"}
		w := start(t, options(), &fakeTunnel{connect: refuse(refused)})
		w.pass(3*time.Hour + time.Minute)
		text := strings.Join(w.log.lines("level=WARN"), "")
		for _, sum := range []string{"still down after 5m, attempt ", "still down after 15m, ", "still down after 30m, ", "still down after 1h, ", "still down after 2h, ", "still down after 3h, attempt "} {
			if strings.Count(text, sum) != 1 {
				t.Errorf("%q stands there %d times", sum, strings.Count(text, sum))
			}
		}
		if n := len(w.log.lines("level=WARN")); n > 20 {
			t.Errorf("%d lines:\n%s", n, text)
		}
		if n := strings.Count(text, "is the server up?"); n != 1 {
			t.Errorf("the hint is given %d times, want once", n)
		}
		w.tunnel.rule(refuse(&fault.Error{Phase: fault.PhaseDial, Err: errors.New("no route to host")}))
		w.pass(2 * time.Minute)
		if news := w.log.lines("level=WARN", "no route to host"); len(news) != 1 {
			t.Errorf("the new reason is told by %q, want one line", news)
		}
		w.tunnel.rule(nil)
		w.pass(2 * time.Minute)
		w.expect(Up)
		w.tunnel.rule(refuse(refused)) // another outage
		w.tunnel.session(t).CloseWith(errors.New("cut"))
		w.pass(10 * time.Second)
		if n := strings.Count(w.log.String(), "is the server up?"); n != 2 {
			t.Errorf("in the next outage the hint is given %d times, want once", n-1)
		}
		w.finish()
	})
}

// A server may give another reason each time. What is remembered of that grew for as long as the outage lasted.
func TestReasonsThatAreRememberedHaveAnEnd(t *testing.T) {
	var say telling
	began := time.Now()
	told := 0
	for n := range 10 * mostReasons {
		if say.failed(began, began.Add(2*eachFor), n, fmt.Sprint("reason ", n)) == "connecting failed" {
			told++
		}
	}
	if len(say.told) != mostReasons || told != mostReasons {
		t.Errorf("%d reasons are remembered, %d were told, want %d", len(say.told), told, mostReasons)
	}
}
