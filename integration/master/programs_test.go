package master

import (
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// Programs that start an ssh carry what they should, through one connection, whichever ssh that is.
func TestProgramsOnTheMaster(t *testing.T) {
	for _, stock := range []struct {
		ssh, scp, sftp string
		size           int64
	}{{oldest, "scp", "sftp", 20 << 20}, {newest, "scp-newest", "sftp-newest", 5 << 20}} {
		t.Run(stock.ssh, func(t *testing.T) {
			t.Parallel()
			lab.Need(t, stock.ssh, stock.scp, stock.sftp, "git", "rsync")
			s := startMaster(t, lab.Tunneld, lab.StartSSHD(t, "Subsystem sftp internal-sftp"))
			s.stock = stock.ssh
			runPrograms(t, s, []string{stock.scp, "-S", stock.ssh}, []string{stock.sftp, "-S", stock.ssh}, stock.size)
		})
	}
}

func runPrograms(t *testing.T, s *side, scp, sftp []string, size int64) {
	dir := t.TempDir()
	source, sum := randomFile(t, filepath.Join(dir, "source"), size)
	config, target := s.Account.Path("config"), func(name string) string { return filepath.Join(dir, name) }
	commit := []string{"git", "-C", target("repository"), "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "one"}
	ssh := strings.Join(s.words(), " ")
	git := func(words ...string) []string {
		return append([]string{"git", "-c", "core.sshCommand=" + ssh}, words...)
	}
	copies := func(program []string, words ...string) []string {
		return slices.Concat(program, []string{"-q", "-F", config}, words)
	}
	s.must(t, "", "git", "init", "-q", target("repository"))
	for _, test := range []struct {
		name, input string
		words       []string
		file        string // that has to be the source
	}{
		{"scp there", "", copies(scp, source, lab.Alias+":"+target("a")), "a"},
		{"scp back", "", copies(scp, lab.Alias+":"+source, target("b")), "b"},
		{"old scp there", "", copies(scp, "-O", source, lab.Alias+":"+target("c")), "c"},
		{"old scp back", "", copies(scp, "-O", lab.Alias+":"+source, target("d")), "d"},
		{"sftp", "put " + source + " " + target("e") + "\nget " + source + " " + target("f") + "\n", copies(sftp, "-b", "-", lab.Alias), "f"},
		{"what sftp has put", "", []string{"true"}, "e"},
		{"rsync there", "", []string{"rsync", "-e", ssh, source, lab.Alias + ":" + target("g")}, "g"},
		{"rsync back", "", []string{"rsync", "-e", ssh, lab.Alias + ":" + source, target("h")}, "h"},
		{"git commit", "", commit, ""},
		{"git clone", "", git("clone", "-q", lab.Alias+":"+target("repository"), target("clone")), ""},
		{"git commit", "", commit, ""},
		{"git fetch", "", git("-C", target("clone"), "fetch", "-q"), ""},
		{"git push", "", git("-C", target("clone"), "push", "-q", "origin", "HEAD:pushed"), ""},
	} {
		s.must(t, test.input, test.words...)
		if test.file != "" && fileSum(t, target(test.file)) != sum {
			t.Errorf("%s: another file has arrived", test.name)
		}
	}
	for _, has := range []struct{ dir, branch, commits string }{{"clone", "@{upstream}", "2\n"}, {"repository", "pushed", "1\n"}} {
		if count := s.must(t, "", "git", "-C", target(has.dir), "rev-list", "--count", has.branch).out; count != has.commits {
			t.Errorf("%s of the %s has %q commits", has.branch, has.dir, count)
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
