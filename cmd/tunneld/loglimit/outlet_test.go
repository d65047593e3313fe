package loglimit

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Who logs is held up for a moment by an end that takes nothing, and once; what was written meanwhile comes when it does.
func TestOutletThatTakesNothingHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		o := NewOutlet(w)
		line := strings.Repeat("x", 1023) + "\n"
		for began, i := time.Now(), 0; i < 100; i++ {
			io.WriteString(o, fmt.Sprintf("%d %s", i, line))
			if took := time.Since(began); took > outletTime {
				t.Fatalf("line %d: it took %v", i, took)
			}
		}
		var got strings.Builder
		go io.Copy(&got, r)
		synctest.Wait()
		text := got.String()
		kept := strings.Count(text, "\n") - 1
		if !strings.HasPrefix(text, "0 x") || !strings.Contains(text, "\n1 x") || !strings.HasSuffix(text, fmt.Sprintf("\n%d lines left out: nobody took them\n", 100-kept)) {
			t.Errorf("%d lines came, the last %q", kept, text[max(0, len(text)-60):])
		}
		io.WriteString(o, "in time\n")
		synctest.Wait()
		if text := got.String(); !strings.HasSuffix(text, "them\nin time\n") {
			t.Errorf("at last came %q", text[len(text)-60:])
		}
		r.Close()
		io.WriteString(o, "nobody is there\n") // no error, and no wait
		synctest.Wait()
	})
}

// Several write at once: nothing is lost and lines stay whole, as long as it takes them.
func TestOutletOfSeveralWriters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		var got strings.Builder
		go io.Copy(&got, r)
		o := NewOutlet(w)
		for i := range 50 {
			go io.WriteString(o, fmt.Sprintf("line %d of them\n", i))
		}
		synctest.Wait()
		if n := strings.Count(got.String(), " of them\n"); n != 50 || strings.Count(got.String(), "\n") != 50 {
			t.Errorf("%d lines came: %q", n, got.String())
		}
		r.Close()
	})
}

// At the end there is another chance for what was late, and a log that is no plain text has the line in its own way.
func TestOutletIsFlushed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		o := NewOutlet(w)
		o.Note(func(lost int) []byte { return fmt.Appendf(nil, "lost=%d\n", lost) })
		o.Flush() // there is nothing
		began := time.Now()
		for range 4 { // the first is on its way, two wait, and one is too many
			io.WriteString(o, strings.Repeat("x\n", mostHeld/4))
		}
		o.Flush()
		if took := time.Since(began); took != 2*outletTime {
			t.Errorf("nobody takes it: it took %v", took)
		}
		var got strings.Builder
		go io.Copy(&got, r)
		o.Flush()
		synctest.Wait()
		if !strings.HasSuffix(got.String(), fmt.Sprintf("x\nlost=%d\n", mostHeld/4)) {
			t.Errorf("at last came %q", got.String()[max(0, got.Len()-60):])
		}
		r.Close()
	})
}

func TestDescriptorOfAnOutlet(t *testing.T) {
	if got := NewOutlet(os.Stderr).Fd(); got != os.Stderr.Fd() {
		t.Errorf("descriptor %d", got)
	}
	if got := NewOutlet(io.Discard).Fd(); int(got) >= 0 {
		t.Errorf("descriptor %d of what has none", got)
	}
}
