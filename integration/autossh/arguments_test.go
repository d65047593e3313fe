package autossh

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/config/autossh"
	"github.com/tunneld/tunneld/integration/lab"
)

// Each vector goes through the real autossh, which hands a script what it would hand to ssh, and through Parse. Where they
// differ, the vector names the Difference that says why; a difference that is none any more is an error, too.
func TestArgumentsAsAutosshReadsThem(t *testing.T) {
	script := recordingScript(t)
	known, shown := map[string]bool{}, map[string]bool{}
	for _, d := range autossh.Differences() {
		known[d.Name] = true
	}
	for i, v := range vectors {
		shown[v.differs] = true
		if v.differs != "" && !known[v.differs] {
			t.Errorf("%s: %s is not in the list of differences", v.line, v.differs)
		}
		t.Run(fmt.Sprintf("%d %s", i, v.line), func(t *testing.T) {
			t.Parallel()
			v.compare(t, script)
		})
	}
	for name := range known {
		if !shown[name] {
			t.Errorf("no vector shows the difference %s", name)
		}
	}
}

func (v vector) compare(t *testing.T, script string) {
	t.Helper()
	variables, words := v.split(freePort(t))
	want, got := theirs(t, script, variables, words), ours(t, variables, words)
	switch {
	case v.differs == "" && want != got:
		t.Errorf("%s\n autossh: %s\n    ours: %s", v.line, want, got)
	case v.differs != "" && want == got:
		t.Errorf("%s is no example of %q: both say %s", v.line, v.differs, got)
	}
}

// recordingScript writes the script that stands in for ssh.
func recordingScript(t *testing.T) string {
	t.Helper()
	lab.Need(t, "autossh")
	path := filepath.Join(t.TempDir(), "recorder")
	if err := os.WriteFile(path, []byte(recorder), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// Made up from what has no defect in autossh, so that nothing may differ: options alone, with their arguments in the same word
// or the next, in clusters, before and behind the destination.
func TestArgumentsMadeUp(t *testing.T) {
	const count = 60
	script := recordingScript(t)
	random := rand.New(rand.NewPCG(11, 4))
	for i := range count {
		v := vector{line: madeUp(random)}
		t.Run(fmt.Sprintf("%d %s", i, v.line), func(t *testing.T) {
			t.Parallel()
			v.compare(t, script)
		})
	}
}

func madeUp(random *rand.Rand) string {
	pick := func(list ...string) string { return list[random.IntN(len(list))] }
	option := func() string {
		switch random.IntN(4) {
		case 0:
			return "-" + pick("N", "T", "q", "v", "C", "g", "4", "n", "t", "A", "a", "x", "k", "f", "K")
		case 1:
			return "-" + pick("NT", "fN", "vvC", "qNf", "gN", "NTC")
		case 2:
			return pick("-L", "-NL", "-fNL", "-R", "-qR") + pick(" ", "") + pick("1:h:2", "8080:localhost:80", "*:5:x:6")
		}
		return pick("-p 22", "-p2222", "-l me", "-i key", "-o BatchMode=yes", "-oUser=x", "-D 1080", "-D*:1080", "-F none", "-b 127.0.0.1", "-c aes128-ctr", "-e none", "-S none")
	}
	var words []string
	if monitor := pick("", "-M 0", "-M0", "-M PORT", "-MPORT", "-M PORT:7"); monitor != "" {
		words = append(words, monitor)
	} else if random.IntN(2) == 0 {
		words = append(words, pick("AUTOSSH_PORT=PORT", "AUTOSSH_PORT=0"))
	}
	for range random.IntN(5) {
		words = append(words, option())
	}
	words = append(words, pick("host", "user@host", "ssh://user@host:22"))
	for range random.IntN(3) {
		words = append(words, option())
	}
	for range random.IntN(3) {
		words = append(words, pick("ls", "tmux", "x·-f·y", "attach"))
	}
	return strings.Join(words, " ")
}
