package recovery

import (
	"github.com/tunneld/tunneld/integration/lab"
	"os/exec"
	"strings"
	"testing"
)

// A user certificate that is about to end: the new one is used before it does, and nobody's connection fails.
func TestExpiringCertificateIsReplacedInTime(t *testing.T) {
	t.Parallel()
	lab.Need(t, "ssh-keygen")
	l := lab.New(t)
	a := l.Account
	lab.WriteKey(t, a.Path("authority"))
	l.Server.Kill()
	l.Server.Configure("TrustedUserCAKeys " + a.Path("authority.pub"))
	lab.WriteFile(t, l.Server.Path("authorized_keys"), "") // the certificate alone opens the door
	l.Server.Start()
	certify := func(validity string) {
		t.Helper()
		cmd := exec.Command("ssh-keygen", "-q", "-s", a.Path("authority"), "-I", "bob", "-n", a.User, "-V", "-1m:"+validity, a.Path("id_ed25519.pub"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen: %v: %s", err, out)
		}
	}
	certify("+30s") // it is looked at when a third is left
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	c := l.Open(lab.Tunneld, []lab.Route{r})
	certify("+10m")
	caller := startCaller(t, r)
	from := c.Mark()
	up := c.WaitLine(t, from, 3*lab.Patience, "replaced", lab.Said("replaced"))
	if !strings.HasPrefix(up.Field("why"), "certificate ends ") {
		t.Errorf("replaced because %q", up.Field("why"))
	}
	caller.stop()
	if count, examples := caller.refused(nil); count > 0 {
		t.Errorf("%d of %d connections failed: %v", count, len(caller.calls), examples)
	}
}
