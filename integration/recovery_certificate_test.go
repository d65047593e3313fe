package integration

import (
	"os/exec"
	"strings"
	"testing"
)

// A user certificate that is about to end: the new one is used before it does, and nobody's connection fails.
func TestExpiringCertificateIsReplacedInTime(t *testing.T) {
	t.Parallel()
	need(t, "ssh-keygen")
	l := newLab(t)
	a := l.account
	writeKey(t, a.path("authority"))
	l.server.kill()
	l.server.configure("TrustedUserCAKeys " + a.path("authority.pub"))
	writeFile(t, l.server.path("authorized_keys"), "") // the certificate alone opens the door
	l.server.start()
	certify := func(validity string) {
		t.Helper()
		cmd := exec.Command("ssh-keygen", "-q", "-s", a.path("authority"), "-I", "bob", "-n", a.user, "-V", "-1m:"+validity, a.path("id_ed25519.pub"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen: %v: %s", err, out)
		}
	}
	certify("+30s") // it is looked at when a third is left
	r := localRoute(t, startTarget(t, echo).address())
	c := l.open(tunneld, []route{r})
	certify("+10m")
	caller := startCaller(t, r)
	from := c.mark()
	up := c.waitLine(t, from, 3*patience, "replaced", said("replaced"))
	if !strings.HasPrefix(up.field("why"), "certificate ends ") {
		t.Errorf("replaced because %q", up.field("why"))
	}
	caller.stop()
	if count, examples := caller.refused(nil); count > 0 {
		t.Errorf("%d of %d connections failed: %v", count, len(caller.calls), examples)
	}
}
