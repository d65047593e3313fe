package view

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/monitor"
)

// FuzzReport reads what another process says of its tunnels, perhaps one of another user, and shows it: on a terminal nothing
// of it is acted upon, and no line is wider than it should be where it can be broken.
func FuzzReport(f *testing.F) {
	text, err := json.Marshal(report())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text, 80)
	f.Add(text, 0)
	f.Add([]byte(`{"version":1,"tunnels":[{"name":"\u001b[2J","state":"up\n","why":"\u009b31m","forwards":[{"spec":"\u202e","state":"x\r","bound":["\u0007"]}]}]}`), 20)
	f.Add([]byte(`{"tunnels":[{"recent_rtts_seconds":[-9e9,9e9,1e300],"rtt_seconds":1e300,"since":"9999-12-31T23:59:59Z"}]}`), 1)
	f.Add([]byte(`{"tunnels":[{"sessions":[{},{}],"last_error":{"hint":"x"},"bytes_in":18446744073709551615,"rate_in":1e308}],"time":"0001-01-01T00:00:00Z"}`), -1)
	f.Add([]byte(`{"tunnels":null}`), 80)
	f.Fuzz(func(t *testing.T, said []byte, width int) {
		if len(said) > 16<<10 {
			t.Skip()
		}
		var r monitor.Report
		if json.Unmarshal(said, &r) != nil {
			return
		}
		foreign.Strings(&r)
		for _, color := range []bool{false, true} {
			var out bytes.Buffer
			if err := Table(&out, r, width, color); err != nil {
				t.Fatal(err)
			}
			shown := out.String()
			if color {
				for _, with := range []ink{bold, dim, red, green, yellow, "0"} {
					shown = strings.ReplaceAll(shown, "\x1b["+string(with)+"m", "")
				}
			}
			if i := strings.IndexFunc(shown, func(c rune) bool { return c != '\n' && (unicode.IsControl(c) || unicode.Is(unicode.Cf, c)) }); i >= 0 {
				t.Fatalf("%q shows %.40q", said, shown[i:])
			}
			if !utf8.ValidString(shown) {
				t.Fatalf("%q is no UTF-8", shown)
			}
		}
		for _, s := range r.Tunnels {
			s.Unready()
			s.Summary()
		}
		again, err := json.Marshal(r)
		if err != nil {
			return // a time after the year 9999 in another zone
		}
		var second monitor.Report
		if err := json.Unmarshal(again, &second); err != nil {
			t.Errorf("%q was read, and written %q, which is not: %v", said, again, err)
		}
	})
}
