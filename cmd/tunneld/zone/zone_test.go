package zone

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// The C library is asked what time it is, by date(1).
func TestZonesAreThoseOfTheCLibrary(t *testing.T) {
	if out, err := exec.Command("date", "-d", "@0", "+%s").CombinedOutput(); err != nil {
		t.Skipf("needs GNU date: %s", out)
	}
	for tz, described := range map[string]bool{
		"EST5EDT,M3.2.0,M11.1.0": true, "CET-1CEST,M3.5.0,M10.5.0/3": true, ":CET-1CEST,M3.5.0,M10.5.0/3": true, "<+0330>-3:30": true,
		"UTC-3": true, "JST-9": true, "AEST-10AEDT,M10.1.0,M4.1.0/3": true, "XXX4YYY,J60/0,J300": true, "XXX-13:45": true,
		"": false, "UTC": false, "ABC": false, "/nonexistent": false, "Europe/Nowhere": false, "5": false,
	} {
		location := Described(tz)
		if (location != nil) != described {
			t.Errorf("%q: described %t", tz, location != nil)
		}
		if location == nil {
			location = time.UTC // as the time package has it
		}
		for _, at := range []time.Time{
			time.Now(), time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC), time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC),
			time.Date(2026, 3, 8, 6, 59, 59, 0, time.UTC), time.Date(2026, 3, 8, 7, 0, 0, 0, time.UTC), time.Date(2030, 10, 27, 0, 59, 59, 0, time.UTC),
		} {
			cmd := exec.Command("date", "-d", fmt.Sprint("@", at.Unix()), "+%Y/%m/%d %H:%M:%S")
			cmd.Env = append(os.Environ(), "TZ="+tz)
			out, err := cmd.Output()
			if got, want := at.In(location).Format("2006/01/02 15:04:05"), strings.TrimSpace(string(out)); err != nil || got != want {
				t.Errorf("%q at %v: %s, want %s", tz, at.UTC(), got, want)
			}
		}
	}
}
