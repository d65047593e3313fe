package autossh

import (
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
)

// abroad prepares a run in a network of its own whose server, with these lines of sshd_config(5), is on another machine.
func (s *stage) abroad(t *testing.T, line, whose string, lines ...string) (*lab.Network, *run) {
	t.Helper()
	n := lab.NewNetwork(t)
	server := n.StartSSHD(lines...)
	server.Authorize(s.account.Key)
	r := s.run(t, scene{line: line}, whose)
	file := filepath.Join(r.dir, "config")
	text := strings.Replace(string(readFile(file)), "HostName 127.0.0.1", "HostName "+n.Address, 1)
	lab.WriteFile(t, file, strings.Replace(text, fmt.Sprint("Port ", r.relay.Port), fmt.Sprint("Port ", server.Port), 1))
	known := lab.NewAccount(t)
	known.Trust(net.JoinHostPort(n.Address, fmt.Sprint(server.Port)), server.HostKey)
	lab.WriteFile(t, filepath.Join(r.dir, "known_hosts"), string(readFile(known.Path("known_hosts"))))
	r.words = append([]string{"ip", "netns", "exec", n.Client}, r.words...)
	return n, r
}

// With the server on another machine, both programs listen at the same places on both sides, as monitoring scripts look for
// them, and the test line comes back. A link that is dead is noticed by it.
func TestMonitorPortsOnBothSides(t *testing.T) {
	t.Parallel()
	lab.Need(t, "autossh", "ssh", "sshd", "nft")
	stage := newStage(t)
	const quickly, soon = "AUTOSSH_POLL=4", "AUTOSSH_POLL=60 AUTOSSH_FIRST_POLL=2"
	for name, c := range map[string]struct {
		times, monitor string
		first, last    int  // the ports that may be the monitor's
		dies           bool // the link does, in the end
	}{
		"-M": {quickly, "-M 20000", 20000, 20001, true}, "AUTOSSH_PORT": {soon, "AUTOSSH_PORT=20000", 20000, 20001, false}, "-M with the echo service": {soon, "-M 20000:7", 20000, 20001, false},
		"a port that nobody has named": {soon, "", 32768, 65535, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := map[string][]string{}
			for _, whose := range []string{"theirs", "ours"} {
				n, r := stage.abroad(t, c.times+" AUTOSSH_LOGLEVEL=7 AUTOSSH_GATETIME=0 "+c.monitor+" -N -o ServerAliveInterval=0 -o ConnectTimeout=2 server", whose)
				if strings.HasSuffix(c.monitor, ":7") {
					lab.StartTargetOn(t, n.ListenAt(n.Server, "127.0.0.1:7"), lab.Echo)
				}
				lab.Check(t, r.start())
				t.Cleanup(r.clean)
				lab.Eventually(t, lab.Patience, whose+": a test has passed", func() bool { return strings.Contains(r.log(), "connection ok") })
				found[whose] = pattern(n.Listening(c.first, c.last))
				if !c.dies {
					continue
				}
				n.Drop()
				lab.Eventually(t, lab.Patience, whose+": the dead link is noticed", func() bool { return r.starts() >= 2 })
				if !strings.Contains(r.log(), "port down, restarting ssh") {
					t.Errorf("%s: the log has\n%s", whose, r.log())
				}
			}
			if theirs, ours := found["theirs"], found["ours"]; !slices.Equal(theirs, ours) || len(ours) == 0 {
				t.Errorf("autossh listens on %v, tunneld on %v", theirs, ours)
			}
		})
	}
}

// pattern are the places with the lowest port as P.
func pattern(places map[string][]string) (list []string) {
	lowest := 1 << 16
	for port := range places {
		n, _ := strconv.Atoi(port)
		lowest = min(lowest, n)
	}
	for port, addresses := range places {
		n, _ := strconv.Atoi(port)
		list = append(list, fmt.Sprintf("P+%d %v", n-lowest, addresses))
	}
	slices.Sort(list)
	return list
}

// A test line that does not come back is waited for as long as by autossh, where no short AUTOSSH_POLL makes that less. On a
// machine that is busy, it is the second test that the link is too late for.
func TestLimitOfTheTestLine(t *testing.T) {
	t.Parallel()
	lab.Need(t, "autossh", "ssh", "sshd", "nft")
	const limit = 15 * time.Second
	stage := newStage(t)
	var runs []*run
	for _, whose := range []string{"theirs", "ours"} {
		n, r := stage.abroad(t, "AUTOSSH_FIRST_POLL=6 AUTOSSH_POLL=30 AUTOSSH_LOGLEVEL=7 AUTOSSH_GATETIME=0 -M 20000 -N -o ServerAliveInterval=0 server", whose)
		lab.Check(t, r.start())
		t.Cleanup(r.clean)
		lab.Eventually(t, lab.Patience, whose+": the loop is there", func() bool {
			return slices.ContainsFunc(n.Listening(20000, 20000)["20000"], func(at string) bool { return strings.HasPrefix(at, "s ") })
		})
		n.Drop()
		runs = append(runs, r)
	}
	for _, r := range runs {
		lab.Eventually(t, 36*time.Second+limit+lab.Patience, "the test has failed", func() bool { return strings.Contains(r.log(), "port down, restarting ssh") })
		took := r.logged(t, "timeout polling to accept read connection").Sub(r.logged(t, "received SIGALRM"))
		if took < limit-time.Second || took > limit+lab.Patience { // the log has whole seconds
			t.Errorf("%q waited for %v, want %v\n%s", r.words, took, limit, r.log())
		}
	}
}

// logged returns when the log has said words for the last time.
func (r *run) logged(t *testing.T, words string) time.Time {
	t.Helper()
	lines := regexp.MustCompile(`(?m)^(\S+ \S+) autossh\[\d+\]: `+regexp.QuoteMeta(words)).FindAllStringSubmatch(r.log(), -1)
	if len(lines) == 0 {
		t.Fatalf("the log does not say %q:\n%s", words, r.log())
	}
	at, err := time.Parse("2006/01/02 15:04:05", lines[len(lines)-1][1])
	if err != nil {
		t.Fatal(err)
	}
	return at
}
