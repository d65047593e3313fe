package autossh

import (
	"strings"
	"testing"
)

// FuzzParse reads any words and one variable. Whatever comes, it is a command with a destination, the version, or a refusal.
func FuzzParse(f *testing.F) {
	for _, line := range []string{"-M 0 host", "-fNL 1:h:2 -M20000:7 host ls -la", "-- -M host", "-V", "-M", "-\x00", "-\x1b", "host -- --"} {
		f.Add(line, "AUTOSSH_POLL", "10")
	}
	f.Add("host", "AUTOSSH_PORT", "0x10:7")
	f.Add("host", "AUTOSSH_MAXLIFETIME", "-18446744073709551616")
	f.Fuzz(func(t *testing.T, line, name, value string) {
		c, err := Parse(append([]string{"autossh"}, strings.Split(line, " ")...), func(asked string) (string, bool) { return value, asked == name })
		switch {
		case err != nil && strings.ContainsAny(err.Error(), "\n\x1b"):
			t.Errorf("%q says %q", line, err)
		case err != nil || c.Version:
			return
		case c.Destination == "" || c.FlagsBefore > len(c.Flags):
			t.Errorf("%q: %+v", line, c)
		case c.Monitor.Port < 0 || c.Monitor.Port > maxMonitorPort || c.Monitor.EchoPort < 0 || c.Monitor.EchoPort > 65535:
			t.Errorf("%q: %+v", line, c.Monitor)
		case c.Settings.Poll <= 0 || c.Settings.FirstPoll <= 0 || c.Settings.NetTimeout <= 0 || c.Settings.GateTime < 0 || c.Settings.MaxLifetime < 0:
			t.Errorf("%s=%q: %+v", name, value, c.Settings)
		}
		for _, e := range c.Startup {
			if strings.Contains(e.Text, "\n") {
				t.Errorf("%q logs %q", line, e.Text)
			}
		}
	})
}
