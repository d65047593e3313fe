package master

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// loads returns how many channels each connection that is up has open, the fewest first.
func (s *side) loads(t *testing.T) (list []int) {
	t.Helper()
	var status struct {
		Tunnels []struct {
			Sessions []struct {
				State string
				Open  int
			}
		}
	}
	text, _ := s.Account.Ask("status", "--json", lab.Alias)
	if err := json.Unmarshal([]byte(text), &status); err != nil || len(status.Tunnels) != 1 {
		t.Fatalf("%q: %v", text, err)
	}
	for _, one := range status.Tunnels[0].Sessions {
		if one.State == "up" {
			list = append(list, one.Open)
		}
	}
	slices.Sort(list)
	return list
}

// Each session opens on the connection that has the least to do, also beside those that were there before, and the end of one
// connection ends those on it alone.
func TestSessionsOnTheLeastLoadedConnection(t *testing.T) {
	t.Parallel()
	const connections = 3
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t), "TunneldConnections 3", "TunneldEcho off")
	lab.Eventually(t, lab.Patience, "all connections are up", func() bool { return len(s.loads(t)) == connections })
	var shells []*rider
	for want := range 2 {
		for i := range connections {
			shells = append(shells, s.shell(t))
			if loads := s.loads(t); len(loads) != connections || loads[0] < want || loads[connections-1] != want+1 {
				t.Errorf("%d sessions are spread so: %v", want*connections+i+1, loads)
			}
		}
	}
	if n := s.Relay.Count(); n != connections {
		t.Errorf("%d connections", n)
	}
	s.Relay.Some()[0].Reset()
	ended := make(chan int, len(shells))
	for _, shell := range shells {
		go func() {
			shell.cmd.Wait()
			ended <- shell.cmd.ProcessState.ExitCode()
		}()
	}
	for range 2 {
		if code := <-ended; code != 255 {
			t.Errorf("a session on the connection that broke: exit %d", code)
		}
	}
	lab.Never(t, lab.Patience/20, "another ends", func() bool { return len(ended) > 0 })
	for _, shell := range shells {
		shell.in.Close()
	}
	for range len(shells) - 2 {
		if code := <-ended; code != 0 {
			t.Errorf("a session on another connection: exit %d", code)
		}
	}
}
