package master

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// A hundred sessions are open at the same moment (with the race detector forty), carry what they should, and leave nothing
// behind in the master.
func TestAHundredSessions(t *testing.T) {
	for name, with := range map[string]struct {
		plain bool
		count int
	}{"without the race detector": {true, 100}, "as it is tested": {false, 40}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSide(t, lab.Tunneld, lab.StartSSHD(t))
			s.Plain = with.plain
			s.start(t, lab.Tunneld)
			runAtOnce(t, s, with.count)
		})
	}
}

// runAtOnce runs so many sessions, of which none goes on before all are open.
func runAtOnce(t *testing.T, s *side, count int) {
	s.must(t, "", "ssh", "-F", s.Account.Path("config"), lab.Alias, "true")
	files, _ := lab.Settled(s.master)
	input := strings.Repeat("some bytes\n", 10_000)
	gate, here := s.Account.Path("gate"), s.Account.Path("here")
	s.must(t, "", "mkfifo", gate)
	lab.Check(t, os.Mkdir(here, 0o700))
	var all sync.WaitGroup
	for i := range count {
		all.Go(func() {
			a := s.ssh(t, input, lab.Alias, fmt.Sprintf("touch %s/%d; : <%s; cat; exit %d", here, i, gate, i))
			if a.code != i || a.out != input || a.err != "" {
				t.Errorf("session %d: exit %d, %d bytes, %.300q", i, a.code, len(a.out), a.err)
			}
		})
	}
	open := func() int { names, _ := os.ReadDir(here); return len(names) }
	if !lab.Within(4*lab.Patience, func() bool { return open() == count }) {
		t.Errorf("%d sessions are open at once", open())
	}
	if links := s.Relay.OpenLinks(); links > count/10 {
		t.Errorf("%d connections", links)
	}
	writer, err := os.OpenFile(gate, os.O_RDWR, 0) // for which all have waited
	lab.Check(t, err)
	all.Wait()
	writer.Close()
	if links := s.Relay.OpenLinks(); links > count/10 {
		t.Errorf("%d connections", links)
	}
	if !lab.Within(lab.Patience, func() bool { n, _ := lab.Descriptors(s.master.Pid()); return n <= files }) {
		n, kinds := lab.Descriptors(s.master.Pid())
		t.Errorf("%d descriptors afterwards, %d before: %v", n, files, kinds)
	}
}
