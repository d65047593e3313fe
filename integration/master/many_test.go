package master

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// A hundred sessions at once (with the race detector forty) go through, and leave nothing behind in the master.
func TestAHundredSessions(t *testing.T) {
	t.Parallel()
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t))
	s.must(t, "", "ssh", "-F", s.Account.Path("config"), lab.Alias, "true")
	files, _ := lab.Settled(s.master)
	count := 100
	if lab.RaceEnabled {
		count = 40
	}
	input := strings.Repeat("some bytes\n", 10_000)
	var all sync.WaitGroup
	for i := range count {
		all.Go(func() {
			a := s.ssh(t, input, lab.Alias, fmt.Sprintf("cat; exit %d", i))
			if a.code != i || a.out != input || a.err != "" {
				t.Errorf("session %d: exit %d, %d bytes, %.300q", i, a.code, len(a.out), a.err)
			}
		})
	}
	all.Wait()
	if links := s.Relay.OpenLinks(); links > count/10 {
		t.Errorf("%d connections", links)
	}
	if !lab.Within(lab.Patience, func() bool { n, _ := lab.Descriptors(s.master.Pid()); return n <= files }) {
		n, kinds := lab.Descriptors(s.master.Pid())
		t.Errorf("%d descriptors afterwards, %d before: %v", n, files, kinds)
	}
}
