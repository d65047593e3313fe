package master

import (
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
)

// In an outage of whatever kind the master answers at once that it lives, while a session waits. Then it runs, and so does
// everything else that rides.
func TestHeldThroughAnOutage(t *testing.T) {
	for _, outage := range []struct {
		name        string
		begin, mend func(*testing.T, *side)
	}{
		{"not noticed yet", func(_ *testing.T, s *side) { s.Relay.Freeze() }, func(_ *testing.T, s *side) { s.Relay.Thaw() }},
		{"refused", func(t *testing.T, s *side) {
			s.Relay.SetRefuse(true)
			s.Relay.Cut()
			lab.WaitFailed(t, s.master, 1)
		}, func(_ *testing.T, s *side) { s.Relay.SetRefuse(false) }},
		{"no answer while connecting", func(t *testing.T, s *side) {
			s.Relay.Freeze()
			mark := s.master.Mark()
			s.Relay.Cut()
			lab.WaitLost(t, s.master, mark, lab.Patience)
			lab.Eventually(t, lab.Patience, "it connects", func() bool { return s.Relay.OpenLinks() == 1 })
		}, func(_ *testing.T, s *side) { s.Relay.Thaw() }},
	} {
		t.Run(outage.name, func(t *testing.T) {
			t.Parallel()
			host, port, _ := net.SplitHostPort(lab.StartTarget(t, lab.Echo).Address())
			s := startMaster(t, lab.Tunneld, lab.StartSSHD(t, "Subsystem sftp internal-sftp"), "TunneldBackoffMax 1s", "TunneldHold 2m", "ConnectTimeout 120")
			source, copied := s.Account.Path("source"), s.Account.Path("copied")
			lab.WriteFile(t, source, "held\n")
			outage.begin(t, s)
			riders := map[string]struct {
				words []string
				want  answer
			}{
				"a session":       {s.words(lab.Alias, "cat; exit 3"), answer{out: "held\n", code: 3}},
				"-W":              {s.words("-W", host+":"+port, lab.Alias), answer{out: "held\n"}},
				"proxy mode":      {s.words("-O", "proxy", lab.Alias, "cat; exit 3"), answer{out: "held\n", code: 3}},
				"a copy of scp":   {[]string{"scp", "-q", "-F", s.Account.Path("config"), source, lab.Alias + ":" + copied}, answer{}},
				"tunneld connect": {[]string{s.Account.Binary(), "connect", lab.Alias, host, port}, answer{out: "held\n"}},
			}
			left := make(chan string, len(riders))
			for name, r := range riders {
				go func() {
					if a := s.run(t, "held\n", r.words...); a != r.want {
						t.Errorf("%s: %v", name, a)
					}
					left <- name
				}()
			}
			for range 3 {
				began := time.Now()
				if pid := s.check(t); pid != s.master.Pid() {
					t.Errorf("the master in an outage: process %d", pid)
				}
				if took := time.Since(began); took > 10*time.Second {
					t.Errorf("it took %v to say that it lives", took)
				}
			}
			lab.Never(t, 500*time.Millisecond, "one ends in the outage", func() bool { return len(left) > 0 })
			outage.mend(t, s)
			for range riders {
				<-left
			}
			if got, err := os.ReadFile(copied); err != nil || string(got) != "held\n" {
				t.Errorf("what scp has copied: %q, %v", got, err)
			}
			if links := s.Relay.OpenLinks(); links != 1 {
				t.Errorf("%d connections: somebody did not ride", links)
			}
		})
	}
}

// After TunneldHold the client is told, and ssh connects by itself where it can. For -W that is too late, as with ssh's own
// master.
func TestAfterTheHoldTime(t *testing.T) {
	t.Parallel()
	lab.Need(t, newest)
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t), "TunneldBackoffMax 1s", "TunneldHold 1s")
	s.Account.Trust(s.Server.Address(), s.Server.HostKey)
	s.Relay.SetRefuse(true)
	s.Relay.Cut()
	lab.WaitFailed(t, s.master, 1)
	const why = "the tunnel did not come back within the hold time"
	around := fmt.Sprint(s.Server.Port) // past the relay
	var all sync.WaitGroup
	for _, stock := range []string{oldest, newest} {
		own := *s
		own.stock = stock
		for _, c := range []struct {
			words []string
			out   string
			code  int
		}{
			{own.words("-p", around, lab.Alias, "cat; exit 3"), "by itself", 3},
			{own.words(lab.Alias, "true"), "", 255},
			{own.words("-p", around, "-W", s.Server.Address(), lab.Alias), "", 255},
		} {
			all.Go(func() {
				if a := own.run(t, "by itself", c.words...); a.code != c.code || a.out != c.out || !strings.Contains(a.err, why) {
					t.Errorf("%v: %v", c.words, a)
				}
			})
		}
	}
	all.Wait()
}
