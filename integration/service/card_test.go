package service

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// The key of a PKCS#11 token logs in, again after an outage, and a person is asked for the PIN once in a lifetime.
func TestCardLogsInAgainWithoutAPerson(t *testing.T) {
	t.Parallel()
	lab.Need(t, "softhsm2-util", "ssh-keygen")
	const library, pin = "/usr/lib/softhsm/libsofthsm2.so", "605173"
	for _, path := range []string{library, "/usr/lib/openssh/ssh-pkcs11-helper"} {
		if _, err := os.Stat(path); err != nil {
			t.Skipf("needs %s: not installed; as root, make tools installs it", path)
		}
	}
	l := lab.New(t)
	a := l.Account
	environment := []string{"SOFTHSM2_CONF=" + a.Path("softhsm2.conf")}
	lab.WriteFile(t, a.Path("softhsm2.conf"), "directories.tokendir = "+a.Path("tokens")+"\n")
	if err := os.Mkdir(a.Path("tokens"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{
		"ssh-keygen -q -t rsa -b 2048 -m PKCS8 -N  -f " + a.Path("id_token"),
		"softhsm2-util --init-token --free --label lab --pin " + pin + " --so-pin 12345678",
		"softhsm2-util --import " + a.Path("id_token") + " --token lab --label key --id a1 --pin " + pin,
	} {
		list := strings.Split(words, " ")
		cmd := exec.Command(list[0], list[1:]...)
		cmd.Env = append(os.Environ(), environment...)
		if output, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", words, err, output)
		}
	}
	lab.WriteFile(t, l.Server.Path("authorized_keys"), lab.ReadFile(t, a.Path("id_token.pub")))
	if err := os.Remove(a.Path("id_token")); err != nil {
		t.Fatal(err)
	}
	lab.WriteFile(t, a.Path("pin"), pin+"\n")
	asker := a.WriteProgram("asker", "cat "+a.Path("pin"))
	l.Prefix = append([]string{"env", "SSH_ASKPASS=" + asker, "SSH_ASKPASS_REQUIRE=force"}, environment...)
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	c := l.Open(lab.Tunneld, []lab.Route{r}, append([]string{"-I", library, "-i", a.Path("id_token.pub")}, lab.Hasty...)...)
	from := c.Mark()
	l.Relay.Cut()
	lab.WaitUp(t, c, from)
	lab.Check(t, r.Works(lab.Patience))
	if asked := strings.Count(lab.ReadFile(t, a.Path("children")), "asker: "); asked != 1 {
		t.Errorf("asked %d times for the PIN", asked)
	}
	for what, text := range map[string]string{"the log": c.Text(), "command lines": wordsOfProcesses(t, c.Pid())} {
		if strings.Contains(text, pin) {
			t.Errorf("%s: the PIN is in it", what)
		}
	}
}
