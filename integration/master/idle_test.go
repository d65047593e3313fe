package master

import (
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// ChannelTimeout closes a session through the ControlPath at which nothing happens, with the exit code that ssh's own master gives,
// and no other; the connection stays.
func TestIdleSessionIsClosed(t *testing.T) {
	t.Parallel()
	ours, theirs := bothFor(t, newest, "ChannelTimeout session=1s")
	codes := map[string]int{}
	for _, s := range []*side{ours, theirs} {
		cmd, _, _ := s.begin(t, "cat")
		codes[s.name] = exitCode(t, cmd)
		for range 2 {
			if a := s.ssh(t, "", lab.Alias, "echo rides"); a != (answer{out: "rides\n"}) {
				t.Errorf("%s: %v", s.name, a)
			}
		}
		if count := s.Relay.Count(); count != 1 {
			t.Errorf("%s: %d connections were made, want 1", s.name, count)
		}
	}
	if codes[ours.name] != codes[theirs.name] || codes[ours.name] == 0 {
		t.Errorf("exit codes: %v", codes)
	}
}
