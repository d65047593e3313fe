package master

import (
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// Programs that start an ssh carry what they should, through one connection.
func TestProgramsOnTheMaster(t *testing.T) {
	t.Parallel()
	lab.Need(t, "scp", "sftp", "git", "rsync")
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t, "Subsystem sftp internal-sftp"))
	dir := t.TempDir()
	source, sum := randomFile(t, filepath.Join(dir, "source"), 20<<20)
	config := s.Account.Path("config")
	repository := filepath.Join(dir, "repository")
	s.must(t, "", "git", "init", "-q", repository)
	s.must(t, "", "git", "-C", repository, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "first")
	target := func(name string) string { return filepath.Join(dir, name) }
	for _, test := range []struct {
		name, input string
		words       []string
		file        string // that has to be the source
	}{
		{"scp there", "", []string{"scp", "-q", "-F", config, source, lab.Alias + ":" + target("a")}, target("a")},
		{"scp back", "", []string{"scp", "-q", "-F", config, lab.Alias + ":" + source, target("b")}, target("b")},
		{"old scp there", "", []string{"scp", "-q", "-O", "-F", config, source, lab.Alias + ":" + target("c")}, target("c")},
		{"old scp back", "", []string{"scp", "-q", "-O", "-F", config, lab.Alias + ":" + source, target("d")}, target("d")},
		{"sftp", "put " + source + " " + target("e") + "\nget " + source + " " + target("f") + "\n", []string{"sftp", "-q", "-b", "-", "-F", config, lab.Alias}, target("f")},
		{"rsync there", "", []string{"rsync", "-e", "ssh -F " + config, source, lab.Alias + ":" + target("g")}, target("g")},
		{"rsync back", "", []string{"rsync", "-e", "ssh -F " + config, lab.Alias + ":" + source, target("h")}, target("h")},
		{"git", "", []string{"git", "-c", "core.sshCommand=ssh -F " + config, "clone", "-q", lab.Alias + ":" + repository, target("clone")}, ""},
	} {
		s.must(t, test.input, test.words...)
		if test.file != "" && fileSum(t, test.file) != sum {
			t.Errorf("%s: another file has arrived", test.name)
		}
	}
	if count := s.Relay.Count(); count != 1 {
		t.Errorf("%d connections", count)
	}
}

// must runs a program that has to do what it is for.
func (s *side) must(t *testing.T, input string, words ...string) answer {
	t.Helper()
	a := s.run(t, input, words...)
	if a.code != 0 {
		t.Fatalf("%s: %v", strings.Join(words, " "), a)
	}
	return a
}

func randomFile(t *testing.T, path string, size int64) (name string, sum [32]byte) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	random, err := os.Open("/dev/urandom")
	if err != nil {
		t.Fatal(err)
	}
	defer random.Close()
	if _, err := io.CopyN(f, random, size); err != nil {
		t.Fatal(err)
	}
	return path, fileSum(t, path)
}

func fileSum(t *testing.T, path string) (sum [32]byte) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Error(err)
		return sum
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Error(err)
	}
	h.Sum(sum[:0])
	return sum
}
