package sshconfig

import (
	"github.com/tunneld/tunneld/integration/lab"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The entry that stands in the README is what most people bring.
func TestConfigPrintsWhatSSHPrints(t *testing.T) {
	lab.Need(t, "ssh")
	a := lab.NewAccount(t)
	lab.WriteFile(t, a.Path("config"), `
host sshproxy-hello
    HostName 192.0.2.1
    Port 2222
    User sshproxy
    ServerAliveInterval 300
    ServerAliveCountMax 2
    DynamicForward localhost:1080
    IdentityFile ~/.ssh/sshproxy-hello/id_rsa
`)
	words := []string{"sshproxy-hello", "-F", a.Path("config"), "-L", "8080:localhost:80"}
	theirs := exec.Command("ssh", append([]string{"-G"}, words...)...)
	theirs.Env = a.Environment()
	want, err := theirs.Output()
	if err != nil {
		t.Fatal(err)
	}
	c := a.Tunneld(append([]string{"config"}, words...)...)
	if code := c.WaitExit(t, lab.Patience); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	ours := strings.Split(c.Text(), "\n")
	keywords := []string{"hostname", "port", "user", "serveraliveinterval", "serveralivecountmax", "dynamicforward", "localforward", "identityfile", "stricthostkeychecking"}
	for l := range strings.Lines(string(want)) {
		l = strings.TrimSpace(l)
		keyword, _, _ := strings.Cut(l, " ")
		if slices.Contains(keywords, keyword) && !slices.Contains(ours, l) {
			t.Errorf("ssh -G says %q, tunneld config does not", l)
		}
	}
}
