package master

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// info asks a master about something, and returns its first line and the others by their names, which are listed in order.
func (s *side) info(t *testing.T, about string) (first string, names []string, values map[string]string) {
	t.Helper()
	a := s.must(t, "", s.words("-O", about, lab.Alias)...)
	values = make(map[string]string)
	for i, line := range strings.Split(strings.TrimSpace(strings.ReplaceAll(a.out+a.err, "\r\n", "\n")), "\n") {
		if i == 0 {
			first = line
			continue
		}
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		names, values[name] = append(names, name), value
	}
	return first, names, values
}

// What the newest ssh shows of a connection is the same with both masters, line for line, as far as tunneld has the line.
func TestConnectionInfoOfBothMasters(t *testing.T) {
	t.Parallel()
	ours, theirs := bothFor(t, newest, "KexAlgorithms curve25519-sha256", "HostKeyAlgorithms ssh-ed25519", "Ciphers aes256-ctr", "MACs hmac-sha2-256")
	first, names, values := ours.info(t, "conninfo")
	begin, order, others := theirs.info(t, "conninfo")
	if want := fmt.Sprintf("Connection information for %s pid %d", lab.Alias, ours.master.Pid()); first != want {
		t.Errorf("it begins with %q, want %q as with ssh's %q", first, want, begin)
	}
	for _, name := range names {
		for len(order) > 0 && order[0] != name {
			order = order[1:]
		}
		if len(order) == 0 {
			t.Errorf("ssh's own master has no line %q there", name)
		}
	}
	for _, name := range []string{"kexalgorithm", "hostkeyalgorithm", "cipher", "mac"} {
		if values[name] == "" || values[name] != others[name] {
			t.Errorf("%s: %q with tunneld, %q with ssh's own master", name, values[name], others[name])
		}
	}
	if !strings.HasSuffix(values["tcp"], ours.Relay.Address()) || !strings.HasSuffix(others["tcp"], theirs.Relay.Address()) {
		t.Errorf("the connection is %q with tunneld, %q with ssh's own master", values["tcp"], others["tcp"])
	}
}

// The newest ssh shows how many channels there are.
func TestChannelInfo(t *testing.T) {
	t.Parallel()
	lab.Need(t, newest)
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t), "TunneldEcho off")
	s.stock = newest
	shows := func(count int) func() bool {
		return func() bool {
			first, _, values := s.info(t, "channels")
			return first == "The following connections are open:" && values["connection"] == fmt.Sprintf("1: %d channels", count)
		}
	}
	lab.Eventually(t, lab.Patience, "there are none", shows(0))
	shell := s.shell(t)
	lab.Eventually(t, lab.Patience, "there is one", shows(1))
	shell.end()
	lab.Eventually(t, lab.Patience, "there is none again", shows(0))
}
