package master

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// `tunneld up server &`, and then ssh in the same shell: the master reads the terminal that it is in the background of, and is
// not stopped for it.
func TestMasterInTheBackgroundOfTheSameShell(t *testing.T) {
	t.Parallel()
	s := newSide(t, lab.Tunneld, lab.StartSSHD(t))
	ssh := strings.Join(s.words(), " ")
	m := lab.NewTerminal(t, 120, 40, nil)
	m.Start(s.client(t.Context(), "sh", "-c", strings.Join([]string{
		"set -m",
		fmt.Sprintf("%s up -F %s %s >log 2>&1 &", s.Account.Binary(), s.Account.Path("config"), lab.Alias),
		fmt.Sprintf("until [ -S %s ]; do sleep 0.1; done", s.socket),
		ssh + ` server 'echo one is ready; read x; echo "got $x"; exit 3'; echo "one ended with $?"`,
		ssh + ` -t server 'echo two is ready; read x; echo "got $x"; exit 4'; echo "two ended with $?"`,
		`kill $!; wait $!; echo "tunneld ended with $?"`,
	}, "\n")))
	m.Wait("one is ready")
	m.Type("first\n")
	m.Wait("got first")
	m.Wait("one ended with 3")
	m.Wait("two is ready")
	lab.Eventually(t, lab.Patience, "raw", m.IsRaw)
	m.Type("second\r")
	m.Wait("got second")
	m.Wait("two ended with 4")
	m.Wait("tunneld ended with 0")
	m.End()
	if count := s.Relay.Count(); count != 1 {
		t.Errorf("%d connections: a client did not ride", count)
	}
}
