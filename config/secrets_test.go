package config

import (
	"strings"
	"testing"
)

// A password belongs to one hop: the settings of a jump host are its own, and flags are the destination's.
func TestPasswordFileIsBoundToItsHop(t *testing.T) {
	p := newPerson(t)
	p.user("Host a\n ProxyJump b,c\n TunneldPasswordFile /a\nHost c\n TunneldPasswordFile /%h\n")
	o := p.mustResolve("a")
	equal(t, "destination", o.PasswordFile, "/a")
	equal(t, "its jump host", o.Via.PasswordFile, "/c")
	equal(t, "the first hop", o.Via.Via.PasswordFile, "")
	equal(t, "warnings", len(o.Warnings), 0)

	o = p.mustResolve("a", Flag{'o', "TunneldPasswordFile=/typed"}, Flag{'o', "TunneldPassphraseFile=/key"})
	equal(t, "typed", o.PasswordFile, "/typed")
	equal(t, "a flag for its jump host", o.Via.PasswordFile, "/c")
	equal(t, "a flag for the first hop", o.Via.Via.PasswordFile+o.Via.Via.PassphraseFile, "")

	var text strings.Builder
	if err := o.Explain(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"TunneldPasswordFile    /typed", "TunneldPasswordFile  /%h"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not explained:\n%s", want, text.String())
		}
	}
}

func TestOnePasswordForTwoHostsIsWarnedAbout(t *testing.T) {
	p := newPerson(t)
	p.user("Host a\n ProxyJump b\nHost *\n TunneldPasswordFile /all\n")
	o := p.mustResolve("a")
	equal(t, "warnings", len(o.Warnings), 1)
	if w := o.Warnings[0]; w.Keyword != "TunneldPasswordFile" || !strings.Contains(w.Text, "jump host b") || w.Source.Line != 4 {
		t.Errorf("warned %+v", w)
	}
	p.user("Host a\n ProxyJump b\nHost *\n TunneldPasswordFile /all-%h\n")
	equal(t, "warnings where %h keeps them apart", len(p.mustResolve("a").Warnings), 0)
}

// What is meant for a key is never sent, whatever else names the file.
func TestPassphraseIsNoPassword(t *testing.T) {
	for name, text := range map[string]string{
		"of the same host":       "Host a\n TunneldPassphraseFile /s\n TunneldPasswordFile /s\n",
		"of the jump host's key": "Host a\n ProxyJump b\n TunneldPasswordFile /s\nHost b\n TunneldPassphraseFile /s\n",
		"sent to the jump host":  "Host a\n ProxyJump b\n TunneldPassphraseFile /s\nHost b\n TunneldPasswordFile /s\n",
	} {
		p := newPerson(t)
		p.user(text)
		if _, err := p.resolve("a"); err == nil || !strings.Contains(err.Error(), "never sent to a server") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
