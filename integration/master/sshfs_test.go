package master

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// A file system rides as well.
func TestSshfs(t *testing.T) {
	t.Parallel()
	lab.NeedRoot(t, "mounts a file system")
	lab.Need(t, "sshfs", "fusermount3")
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t, "Subsystem sftp internal-sftp"))
	there, mount := t.TempDir(), t.TempDir()
	files := lab.StartChild(t, "sshfs", s.client(t.Context(), "sshfs", "-f", "-o", "ssh_command="+strings.Join(s.words(), " "), lab.Alias+":"+there, mount))
	t.Cleanup(func() { exec.Command("fusermount3", "-u", "-z", mount).Run() })
	lab.WriteFile(t, filepath.Join(there, "hello"), "hello\n")
	lab.Eventually(t, lab.Patience, "it is mounted", func() bool { return fileExists(filepath.Join(mount, "hello")) || !files.Running() })
	source, sum := randomFile(t, s.Account.Path("source"), 8<<20)
	data, err := os.ReadFile(source)
	lab.Check(t, err)
	lab.Check(t, os.WriteFile(filepath.Join(mount, "file"), data, 0o600))
	for _, dir := range []string{there, mount} { // sshfs writes behind: on a busy machine the end has not come there yet
		lab.Eventually(t, lab.Patience, "the same file is in "+dir, func() bool { return fileSum(t, filepath.Join(dir, "file")) == sum })
	}
	s.must(t, "", "fusermount3", "-u", mount)
	files.WaitExit(t, lab.Patience)
	if count := s.Relay.Count(); count != 1 {
		t.Errorf("%d connections", count)
	}
}
