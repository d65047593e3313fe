package master

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
)

// TestFastAsSSHsMaster measures `ssh ALIAS true` and a large file over both masters and without one, alternately. It runs
// where somebody asks for it: a busy machine says nothing.
func TestFastAsSSHsMaster(t *testing.T) {
	if os.Getenv("TUNNELD_BENCH_MASTER") == "" {
		return // a skipped test is a failure in CI
	}
	ours, theirs := both(t)
	dir := t.TempDir()
	source, _ := randomFile(t, filepath.Join(dir, "source"), 256<<20)
	measure := func(s *side, words ...string) time.Duration {
		began := time.Now()
		ctx := t.Context()
		if out, err := s.client(ctx, append([]string{words[0], "-F", s.Account.Path("config")}, words[1:]...)...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", s.name, err, out)
		}
		return time.Since(began)
	}
	var mine, other, fresh []time.Duration
	for range 20 {
		mine = append(mine, measure(ours, "ssh", lab.Alias, "true"))
		other = append(other, measure(theirs, "ssh", lab.Alias, "true"))
		fresh = append(fresh, measure(theirs, "ssh", "-S", "none", lab.Alias, "true"))
	}
	t.Logf("ssh true: tunneld %v, ssh's master %v, a fresh login %v", median(mine), median(other), median(fresh))
	mine, other = nil, nil
	for range 3 {
		mine = append(mine, measure(ours, "scp", "-q", source, lab.Alias+":"+filepath.Join(dir, "a")))
		other = append(other, measure(theirs, "scp", "-q", source, lab.Alias+":"+filepath.Join(dir, "b")))
	}
	t.Logf("256 MiB there by scp: tunneld %v, ssh's master %v", median(mine), median(other))
	mine, other = nil, nil
	for range 3 {
		mine = append(mine, measure(ours, "scp", "-q", lab.Alias+":"+source, filepath.Join(dir, "a")))
		other = append(other, measure(theirs, "scp", "-q", lab.Alias+":"+source, filepath.Join(dir, "b")))
	}
	t.Logf("256 MiB back by scp: tunneld %v, ssh's master %v", median(mine), median(other))
	if fileSum(t, filepath.Join(dir, "a")) != fileSum(t, source) {
		t.Error("another file has arrived")
	}
}

func median(list []time.Duration) time.Duration {
	slices.Sort(list)
	return list[len(list)/2]
}
