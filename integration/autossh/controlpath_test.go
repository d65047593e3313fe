package autossh

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// Under ControlMaster both listen at the path of -S, also after an outage, and an ssh rides on their connection. Where another ssh is
// the master, autossh's rides on that one's connection, and tunneld makes one of its own.
func TestControlPath(t *testing.T) {
	t.Parallel()
	lab.Need(t, "autossh", "ssh", "sshd")
	s := newStage(t)
	for _, whose := range []string{"theirs", "ours"} {
		t.Run(whose, func(t *testing.T) {
			t.Parallel()
			for _, line := range []string{"-S {MUX} -o ControlMaster=auto", "-o ControlPath={MUX} -o ControlMaster=yes"} {
				r, path := s.sharing(t, "AUTOSSH_GATETIME=0 "+line, whose)
				lab.Check(t, r.start())
				t.Cleanup(r.clean)
				r.do(t, "up")
				r.rides(t, path, whose)
				r.do(t, "cut again")
				r.rides(t, path, whose)
			}
			r, path := s.sharing(t, "-S {MUX}", whose)
			master := exec.Command("ssh", "-F", filepath.Join(r.dir, "config"), "-M", "-S", path, "-N", "server")
			lab.StartChild(t, "master", master)
			lab.Eventually(t, lab.Patience, "the master is there", func() bool { return exists(path) })
			lab.Check(t, r.start())
			t.Cleanup(r.clean)
			r.do(t, "up")
			if own, want := r.relay.Count()-1, map[string]int{"theirs": 0, "ours": 1}[whose]; own != want {
				t.Errorf("%s beside another master makes %d connections, want %d", whose, own, want)
			}
		})
	}
}

// sharing prepares a run with the path of a control socket for {MUX}; that of the test's own directory would be too long.
func (s *stage) sharing(t *testing.T, line, whose string) (r *run, path string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "mux")
	lab.Check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	path = filepath.Join(dir, "mux")
	return s.run(t, scene{line: line + " -M 0 -N " + forward + " server"}, whose, "{MUX}", path), path
}

// rides checks that an ssh with this ControlPath needs no connection of its own.
func (r *run) rides(t *testing.T, path, whose string) {
	t.Helper()
	lab.Eventually(t, lab.Patience, whose+" listens at the path", func() bool {
		return exec.Command("ssh", "-F", filepath.Join(r.dir, "config"), "-S", path, "-O", "check", "server").Run() == nil
	})
	before := r.relay.Count()
	out, err := exec.Command("ssh", "-F", filepath.Join(r.dir, "config"), "-S", path, "server", "echo", "hi").Output()
	if err != nil || string(out) != "hi\n" || r.relay.Count() != before {
		t.Errorf("%s: an ssh by its connection says %q, %v, after %d connections of its own", whose, out, err, r.relay.Count()-before)
	}
}
