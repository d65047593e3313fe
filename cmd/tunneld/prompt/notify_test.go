package prompt

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tunneld/tunneld/tunnel/auth"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

func TestAskpassShowsWhatWantsNoAnswer(t *testing.T) {
	said := filepath.Join(t.TempDir(), "said")
	program := askpassProgram(t, `echo "$1 $SSH_ASKPASS_PROMPT" >`+said+`.new; mv `+said+`.new `+said+`; sleep 100`)
	for name, test := range map[string]struct {
		variables map[string]string
		terminal  bool
		shown     bool
	}{
		"no display":             {map[string]string{}, false, false},
		"display":                {map[string]string{"DISPLAY": ":0"}, false, true},
		"display and a terminal": {map[string]string{"DISPLAY": ":0"}, true, false},
		"prefer":                 {map[string]string{"DISPLAY": ":0", "SSH_ASKPASS_REQUIRE": "prefer"}, true, true},
		"never":                  {map[string]string{"DISPLAY": ":0", "SSH_ASKPASS_REQUIRE": "never"}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			os.Remove(said)
			test.variables["SSH_ASKPASS"] = program
			p := newPerson(lookup(test.variables), os.Environ())
			p.screen = &Screen{terminal: test.terminal}
			var person auth.Notifier = p
			done := person.Notify(t.Context(), "touch it")
			if test.shown {
				sshtest.Eventually(t, "the program shows it", func() bool { _, err := os.Stat(said); return err == nil })
			}
			done()
			data, _ := os.ReadFile(said)
			if want := map[bool]string{true: "touch it none\n"}[test.shown]; string(data) != want {
				t.Errorf("it shows %q, want %q", data, want)
			}
		})
	}
}
