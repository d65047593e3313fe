package view

import (
	"strings"
	"testing"
	"time"

	"github.com/tunneld/tunneld/monitor"
)

// The locale that counts is that of LC_ALL, LC_CTYPE and LANG, the first that is not empty; where its letters are not in UTF-8 a table
// is drawn with ASCII's, as wide as before.
func TestInLocale(t *testing.T) {
	report := monitor.Report{Tunnels: []monitor.Status{{
		Name: "db", State: monitor.Up, RTT: monitor.Seconds(850 * time.Microsecond), RateIn: 2000, BytesIn: 3000, BytesOut: 40,
		RecentRTTs: []monitor.Seconds{1, 2, 3, 4, 5, 6, 7, 8},
	}}}
	draw := func(environment map[string]string) string {
		var out strings.Builder
		w := InLocale(&out, func(name string) string { return environment[name] })
		if err := Table(w, report, 0, false); err != nil {
			t.Fatal(err)
		}
		List(w, []Entry{{Name: strings.Repeat("long", 20), Forwards: []string{"-L 8080:db:80"}}}, time.Time{}, 60, false)
		return out.String()
	}
	letters := draw(nil)
	if !strings.Contains(letters, "µs ▁▂▃▄▅▆▇█ · ↓ 3.0 kB (2.0 kB/s) · ↑ 40 B\n") || !strings.Contains(letters, "…") {
		t.Errorf("without a locale:\n%s", letters)
	}
	for _, c := range []struct {
		environment map[string]string
		ascii       bool
	}{
		{map[string]string{"LANG": "C"}, true},
		{map[string]string{"LANG": "POSIX"}, true},
		{map[string]string{"LANG": "C.UTF-8"}, false},
		{map[string]string{"LANG": "en_US"}, true},
		{map[string]string{"LANG": "de_DE.utf8"}, false},
		{map[string]string{"LANG": "de_DE.ISO-8859-15@euro"}, true},
		{map[string]string{"LANG": "de_DE.UTF-8", "LC_ALL": "C"}, true},
		{map[string]string{"LANG": "de_DE.UTF-8", "LC_CTYPE": "C"}, true},
		{map[string]string{"LANG": "C", "LC_CTYPE": "UTF-8"}, false},
		{map[string]string{"LANG": "C", "LC_CTYPE": "C", "LC_ALL": "en_US.UTF-8"}, false},
		{map[string]string{"LANG": "de_DE.UTF-8", "LC_ALL": ""}, false},
	} {
		got := draw(c.environment)
		if !c.ascii {
			if got != letters {
				t.Errorf("%v:\n%s", c.environment, got)
			}
			continue
		}
		if strings.ContainsFunc(got, func(r rune) bool { return r > '~' }) || len(got) != len([]rune(letters)) ||
			!strings.Contains(got, "us _.:-=+*# | v 3.0 kB (2.0 kB/s) | ^ 40 B\n") {
			t.Errorf("%v:\n%s", c.environment, got)
		}
	}
}
