package autossh

import (
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// With the server on another machine, both programs listen at the same places on both sides, as monitoring scripts look for
// them, and the test line comes back. A link that is dead is noticed by it.
func TestMonitorPortsOnBothSides(t *testing.T) {
	t.Parallel()
	lab.Need(t, "autossh", "ssh", "sshd", "nft")
	stage := newStage(t)
	found := map[string]map[string][]string{}
	for _, whose := range []string{"theirs", "ours"} {
		n := lab.NewNetwork(t)
		server := n.StartSSHD()
		server.Authorize(stage.account.Key)
		r := stage.run(t, scene{line: "AUTOSSH_POLL=4 AUTOSSH_LOGLEVEL=7 AUTOSSH_GATETIME=0 -M 20000 -N -o ServerAliveInterval=0 -o ConnectTimeout=2 server"}, whose)
		file := filepath.Join(r.dir, "config")
		text := strings.Replace(string(readFile(file)), "HostName 127.0.0.1", "HostName "+n.Address, 1)
		lab.WriteFile(t, file, strings.Replace(text, fmt.Sprint("Port ", r.relay.Port), fmt.Sprint("Port ", server.Port), 1))
		stage.account.Trust(net.JoinHostPort(n.Address, fmt.Sprint(server.Port)), server.HostKey)
		lab.WriteFile(t, filepath.Join(r.dir, "known_hosts"), string(readFile(stage.account.Path("known_hosts"))))
		r.words = append([]string{"ip", "netns", "exec", n.Client}, r.words...)
		if err := r.start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.clean)
		lab.Eventually(t, lab.Patience, whose+": a test has passed", func() bool { return strings.Contains(r.log(), "connection ok") })
		found[whose] = n.Listening(20000, 20001)
		n.Drop()
		lab.Eventually(t, lab.Patience, whose+": the dead link is noticed", func() bool { return r.starts() >= 2 })
		if !strings.Contains(r.log(), "port down, restarting ssh") {
			t.Errorf("%s: the log has\n%s", whose, r.log())
		}
	}
	if theirs, ours := found["theirs"], found["ours"]; !maps.EqualFunc(theirs, ours, slices.Equal[[]string]) {
		t.Errorf("autossh listens on %v, tunneld on %v", theirs, ours)
	}
}
