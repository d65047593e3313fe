package master

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// Ansible brings a ControlPath of its own, unless its ssh_args have no ControlPersist. Then it rides as everybody else does.
func TestAnsible(t *testing.T) {
	t.Parallel()
	lab.Need(t, "ansible", "python3")
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t, "Subsystem sftp internal-sftp"))
	lab.WriteFile(t, s.Account.Path("ansible.cfg"), fmt.Sprintf("[defaults]\nlocal_tmp = %s\nremote_tmp = %s\n[ssh_connection]\nssh_args = -F %s\n",
		s.Account.Path("tmp"), s.Account.Path("remote"), s.Account.Path("config")))
	lab.WriteFile(t, s.Account.Path("hello.txt"), "hello\n")
	for _, words := range [][]string{
		{"-m", "ansible.builtin.copy", "-a", "src=" + s.Account.Path("hello.txt") + " dest=" + s.Account.Path("copied.txt")},
		{"-m", "ansible.builtin.command", "-a", "cat " + s.Account.Path("copied.txt")},
	} {
		a := s.must(t, "", append([]string{"ansible", "-i", lab.Alias + ",", lab.Alias}, words...)...)
		if strings.Contains(a.out, "UNREACHABLE") || words[1] == "ansible.builtin.command" && !strings.Contains(a.out, "hello") {
			t.Errorf("%v: %v", words, a)
		}
	}
	if count := s.Relay.Count(); count != 1 {
		t.Errorf("%d connections", count)
	}
}
