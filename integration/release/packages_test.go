package release

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// Arch's makepkg calls two functions, one after the other; what is in the package is what they leave.
func TestPKGBUILD(t *testing.T) {
	t.Parallel()
	lab.Need(t, "bash", "make", "gzip")
	dir := t.TempDir()
	source, err := lab.Checkout(filepath.Join(dir, "tunneld-0.0.0"))
	if err != nil || source == "" {
		t.Skipf("needs a checkout by git: %v", err)
	}
	for _, function := range []string{"build", "package"} {
		cmd := exec.Command("bash", "-euc", ". tunneld-0.0.0/deploy/aur/PKGBUILD; pkgdir=$PWD/pkg; "+function)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", function, err, out)
		}
	}
	for _, file := range []string{"bin/tunneld", "share/man/man1/tunneld.1.gz", "lib/systemd/system/tunneld@.service", "share/licenses/tunneld/LICENSE"} {
		if _, err := os.Stat(filepath.Join(dir, "pkg/usr", file)); err != nil {
			t.Error(err)
		}
	}
	if out, err := exec.Command(filepath.Join(dir, "pkg/usr/bin/tunneld"), "version").Output(); err != nil || !strings.HasPrefix(string(out), "tunneld v0.0.0 ") {
		t.Errorf("version: %s, %v", out, err)
	}
}

// The formula has the service block, and names what there is.
func TestFormula(t *testing.T) {
	formula := text(t, "deploy/homebrew/tunneld.rb")
	for _, line := range []string{"\n  service do\n", "\n  test do\n", "keep_alive successful_exit: false", `"./cmd/tunneld"`} {
		if !strings.Contains(formula, line) {
			t.Errorf("no %q", line)
		}
	}
	for _, path := range regexp.MustCompile(`\.install "([^"]+)"`).FindAllStringSubmatch(formula, -1) {
		if _, err := os.Stat(filepath.Join("../..", path[1])); err != nil {
			t.Error(err)
		}
	}
	if ruby, err := exec.LookPath("ruby"); err == nil {
		if out, err := exec.Command(ruby, "-c", "../../deploy/homebrew/tunneld.rb").CombinedOutput(); err != nil {
			t.Errorf("ruby -c: %s", out)
		}
	}
}

// Nix builds with the modules that it has the hash of.
func TestFlakeKnowsTheModules(t *testing.T) {
	t.Parallel()
	vendor := filepath.Join(t.TempDir(), "vendor")
	cmd := exec.Command("go", "mod", "vendor", "-o", vendor)
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go mod vendor: %v\n%s", err, out)
	}
	sum := sha256.New()
	str(sum, "nix-archive-1")
	lab.Check(t, archive(sum, vendor))
	hash := "sha256-" + base64.StdEncoding.EncodeToString(sum.Sum(nil))
	if !strings.Contains(text(t, "flake.nix"), `vendorHash = "`+hash+`";`) {
		t.Errorf("flake.nix has another hash of the modules. Put this there:\n        vendorHash = %q;", hash)
	}
}

// archive writes a directory or file as a Nix archive (NAR), the form that Nix has hashes of (E. Dolstra, The Purely Functional Software
// Deployment Model, figure 5.2).
func archive(w io.Writer, path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	str(w, "(")
	defer str(w, ")")
	if info.Mode().IsRegular() {
		data, err := os.ReadFile(path)
		str(w, "type", "regular")
		if info.Mode().Perm()&0o100 != 0 {
			str(w, "executable", "")
		}
		str(w, "contents", string(data))
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is neither file nor directory", path)
	}
	str(w, "type", "directory")
	entries, err := os.ReadDir(path) // sorted by name, as it has to be
	for _, entry := range entries {
		str(w, "entry", "(", "name", entry.Name(), "node")
		if err := archive(w, filepath.Join(path, entry.Name())); err != nil {
			return err
		}
		str(w, ")")
	}
	return err
}

// str writes strings as such an archive has them: the length in eight bytes, the text, and zeros up to a multiple of eight. A hash takes
// all that is written to it.
func str(w io.Writer, texts ...string) {
	for _, text := range texts {
		binary.Write(w, binary.LittleEndian, uint64(len(text)))
		io.WriteString(w, text+strings.Repeat("\x00", (8-len(text)%8)%8))
	}
}
