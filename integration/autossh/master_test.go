package autossh

import (
	"bufio"
	"context"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// Sessions that ride on an autossh and are more than the server allows on a connection waited for ever, and its status did not
// show the ControlPath.
func TestMoreSessionsThanTheServerAllows(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd", "ssh")
	s := newStage(t)
	s.server = lab.StartSSHD(t, "MaxSessions 1")
	s.server.Authorize(s.account.Key)
	const line = "AUTOSSH_GATETIME=0 AUTOSSH_MAXSTART=1 -M 0 -o ControlMaster=auto -o ControlPath={DIR}/cm "
	for name, words := range map[string]string{"forwards alone": "-N server", "beside a command": "server touch·{DIR}/began;sleep·1000"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := s.begin(t, line+words)
			socket := filepath.Join(r.dir, "cm")
			lab.Eventually(t, lab.Patience, "it listens on the ControlPath", func() bool { return exists(socket) })
			for range 3 {
				r.ride(t, socket)
			}
			if text, code := r.tunneld(t, "status", "--json", "server"); code != 0 || !strings.Contains(text, `"control_path"`) {
				t.Errorf("status ends with %d and says\n%s", code, text)
			}
			if name != "forwards alone" {
				lab.Eventually(t, lab.Patience, "the command runs", func() bool { return exists(filepath.Join(r.dir, "began")) })
			}
			if r.starts() != 1 {
				t.Errorf("%d starts", r.starts())
			}
		})
	}
}

// Sessions that waited for the connection took the only seat there is from the command that the connection is for.
func TestCommandHasItsSeat(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd", "ssh")
	s := newStage(t)
	s.server = lab.StartSSHD(t, "MaxSessions 1")
	s.server.Authorize(s.account.Key)
	r := s.run(t, scene{line: "AUTOSSH_GATETIME=0 AUTOSSH_MAXSTART=2 -M 0 -o ControlMaster=auto -o ControlPath={DIR}/cm server echo·x>>{DIR}/began;sleep·1000"}, "ours")
	r.relay.Freeze()
	lab.Check(t, r.start())
	t.Cleanup(r.clean)
	began := func() int { return strings.Count(r.file("began"), "x") }
	for n, before := 1, 0; n <= 2; n++ {
		lab.Eventually(t, lab.Patience, "it connects", func() bool { return r.relay.Count() > before && exists(filepath.Join(r.dir, "cm")) })
		var riders sync.WaitGroup
		for range 3 {
			riders.Go(func() { r.ride(t, filepath.Join(r.dir, "cm")) })
		}
		lab.Eventually(t, lab.Patience, "they wait", func() bool {
			text, _ := r.tunneld(t, "status", "--json", "server")
			return strings.Contains(text, `"held": 3`)
		})
		r.relay.Thaw()
		riders.Wait()
		lab.Eventually(t, lab.Patience, "the command runs", func() bool { return began() == n })
		if n == 1 {
			before = r.relay.Count()
			r.relay.Freeze()
			r.relay.Cut()
		}
	}
	if r.starts() != 2 {
		t.Errorf("%d starts:\n%s", r.starts(), r.log())
	}
}

// ride starts a session by the socket, waits until it has begun, and has it end with the test.
func (r *run) ride(t *testing.T, socket string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), lab.Patience)
	cmd := exec.CommandContext(ctx, "ssh", "-F", filepath.Join(r.dir, "config"), "-o", "ProxyCommand=false", "-S", socket, "server", "echo began; cat")
	cmd.Env, cmd.Dir = r.environ, r.dir
	in, err := cmd.StdinPipe()
	lab.Check(t, err)
	out, err := cmd.StdoutPipe()
	lab.Check(t, err)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		io.Copy(io.Discard, out)
		cmd.Wait()
		cancel()
	})
	if text, err := bufio.NewReader(out).ReadString('\n'); text != "began\n" {
		t.Errorf("the session says %q, %v", text, err)
	}
}
