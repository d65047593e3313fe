package autossh

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
)

// The end of AUTOSSH_MAXLIFETIME comes as well while it waits before a start: both end with 0, say so, and take their pid file away.
// How often they have tried until then is a matter of milliseconds.
func TestLifetimeEndsInAWait(t *testing.T) {
	t.Parallel()
	lab.Need(t, "autossh", "ssh")
	s := newStage(t)
	for _, whose := range []string{"theirs", "ours"} {
		t.Run(whose, func(t *testing.T) {
			t.Parallel()
			r := s.run(t, scene{line: "AUTOSSH_GATETIME=0 AUTOSSH_MAXLIFETIME=5 -M 0 -N dead"}, whose)
			lab.Check(t, r.start())
			t.Cleanup(r.clean)
			r.exits(t, 0)
			if exists(filepath.Join(r.dir, "pid")) || !strings.Contains(r.log(), "exceeded maximum time to live, shutting down") {
				t.Errorf("the log has\n%s", r.log())
			}
		})
	}
}

// A line of the log file is one of autossh's to the letter, with the time of the zone that people live in, however TZ says that.
func TestLinesOfTheLogFile(t *testing.T) {
	t.Parallel()
	lab.Need(t, "autossh", "ssh")
	s := newStage(t)
	zone := time.FixedZone("in Nepal", 20700) // 5:45 h before Greenwich
	for _, name := range []string{"Asia/Kathmandu", "NPT-5:45"} {
		t.Run(name, func(t *testing.T) {
			if _, err := time.LoadLocation("Asia/Kathmandu"); err != nil && strings.Contains(name, "/") {
				t.Skip(err)
			}
			said := map[string][]string{}
			for _, whose := range []string{"theirs", "ours"} {
				r := s.run(t, scene{line: "AUTOSSH_GATETIME=0 AUTOSSH_MAXSTART=2 -M 0 -N dead"}, whose)
				r.environ = append(r.environ, "TZ="+name)
				lab.Check(t, r.start())
				t.Cleanup(r.clean)
				r.exits(t, 0)
				for line := range strings.Lines(r.log()) {
					m := regexp.MustCompile(`^(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) (autossh\[\d+\]: .*)\n$`).FindStringSubmatch(line)
					if m == nil {
						said[whose] = append(said[whose], "not a line of autossh's: "+line)
						continue
					}
					at, err := time.ParseInLocation("2006/01/02 15:04:05", m[1], zone)
					if err != nil || time.Since(at).Abs() > time.Hour {
						t.Errorf("%s: it is not %s in that zone", whose, m[1])
					}
					said[whose] = append(said[whose], regexp.MustCompile(`\d{3,}`).ReplaceAllString(m[2], "N"))
				}
			}
			ours := slices.DeleteFunc(said["ours"], func(line string) bool { return strings.HasSuffix(line, "Connection refused") }) // ssh's, which stand there as well
			if theirs := said["theirs"]; !slices.Equal(theirs, ours) || len(ours) < 6 {
				t.Errorf("autossh: %s\ntunneld: %s", strings.Join(theirs, "\n"), strings.Join(ours, "\n"))
			}
		})
	}
}

// What -V prints begins as scripts want it, and names tunneld.
func TestVersionLine(t *testing.T) {
	t.Parallel()
	r := newStage(t).begin(t, "-V")
	r.exits(t, 0)
	if text := r.file("out"); !regexp.MustCompile(`^autossh 1\.4g \(tunneld [^\n]+\)\n$`).MatchString(text) {
		t.Errorf("-V prints %q", text)
	}
	if left, _ := os.ReadDir(filepath.Join(r.dir, "run")); len(left) > 0 {
		t.Errorf("-V leaves %v", left)
	}
}
