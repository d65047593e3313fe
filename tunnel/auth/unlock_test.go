package auth

import (
	"path/filepath"
	"testing"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// Who soon has nobody to ask is told when the person who is asked now cannot open the only key. A key or a password that is left
// may do, and where nobody is asked, nothing has failed yet.
func TestUnlockSaysThatNoKeyIsLeft(t *testing.T) {
	locked := authKeygen(t, filepath.Join(t.TempDir(), "locked"), "-N", "sesame")
	plain := authKeygen(t, filepath.Join(t.TempDir(), "plain"))
	for name, c := range map[string]struct {
		answers []string
		files   []string
		change  func(*config.Options)
		refused bool
	}{
		"the right one":           {[]string{"sesame"}, []string{locked}, nil, false},
		"the third is right":      {[]string{"a", "b", "sesame"}, []string{locked}, nil, false},
		"three wrong ones":        {[]string{"a", "b", "c"}, []string{locked}, nil, true},
		"no answer":               {[]string{""}, []string{locked}, nil, true},
		"another key is left":     {[]string{""}, []string{locked, plain}, nil, false},
		"nobody is there":         {nil, []string{locked}, nil, false},
		"BatchMode":               {[]string{"a", "b", "c"}, []string{locked}, func(o *config.Options) { o.BatchMode = true }, false},
		"a password is in a file": {[]string{""}, []string{locked}, func(o *config.Options) { o.PasswordFile = "secret" }, false},
		"the jump host's key":     {[]string{""}, []string{plain}, func(o *config.Options) { o.Via = authOptions(t, "bob", "127.0.0.1:1", locked) }, true},
	} {
		memory, log := credentials(&fakePerson{answers: c.answers})
		o := authOptions(t, "bob", "127.0.0.1:1", c.files...)
		if c.change != nil {
			c.change(o)
		}
		err := memory.Unlock(t.Context(), o, memory.log)
		if (err != nil) != c.refused || err != nil && (!fault.IsPermanent(err) || fault.HintOf(err) == "" || fault.PhaseOf(err) != fault.PhaseAuth) {
			t.Errorf("%s: %v, hint %q\n%s", name, err, fault.HintOf(err), log)
		}
	}
}
