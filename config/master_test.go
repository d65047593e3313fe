package config

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestWhereATunnelListensForSSH(t *testing.T) {
	for _, test := range []struct {
		name, text string
		listens    bool
		warning    string
	}{
		{"nothing is said", "", false, ""},
		{"a path alone", "ControlPath /run/%h-%p-%r", false, ""},
		{"no", "ControlMaster no\nControlPath /run/%h", false, ""},
		{"auto", "ControlMaster auto\nControlPath /run/%h-%p-%r", true, ""},
		{"auto without a path", "ControlMaster auto", false, "there is no ControlPath"},
		{"no path", "ControlMaster auto\nControlPath none", false, "there is no ControlPath"},
		{"yes", "ControlMaster yes\nControlPath /run/%h", true, "write auto"},
		{"ask", "ControlMaster ask\nControlPath /run/%h", false, "nobody can be asked"},
		{"autoask", "ControlMaster autoask\nControlPath /run/%h", false, "nobody can be asked"},
	} {
		o := resolveText(t, "Host a\nHostName b\nUser c\n"+test.text+"\n")
		if o.Master.Listens() != test.listens {
			t.Errorf("%s: listens %v: %+v", test.name, o.Master.Listens(), o.Master)
		}
		var said []string
		for _, w := range o.Warnings {
			if w.Keyword == "ControlMaster" || w.Keyword == "ControlPath" {
				said = append(said, w.Text)
			}
		}
		if text := strings.Join(said, "; "); (text == "") != (test.warning == "") || !strings.Contains(text, test.warning) {
			t.Errorf("%s: warns %q, want %q", test.name, text, test.warning)
		}
	}
}

// OpenSSH 9.6 and later have the jump host in %C.
func TestJumpHostInControlPath(t *testing.T) {
	direct := resolveText(t, "Host a\nHostName b\nUser c\nControlPath /run/%C\n").Master
	if direct.Path != direct.JumpPath || filepath.Base(direct.Path) == "%C" {
		t.Errorf("%+v", direct)
	}
	jumped := resolveText(t, "Host a\nHostName b\nUser c\nProxyJump me@gate:2222\nControlPath /run/%C\n").Master
	if jumped.Path != direct.Path || jumped.JumpPath == jumped.Path || filepath.Dir(jumped.JumpPath) != filepath.Dir(jumped.Path) {
		t.Errorf("%+v, without a jump host %+v", jumped, direct)
	}
	for jumps, last := range map[string]string{"gate": "gate", "x,me@gate:22": "gate", "ssh://me@[::1]:22": "::1", "": ""} {
		if got := lastJump(jumps); got != last {
			t.Errorf("%q: %q, want %q", jumps, got, last)
		}
	}
}

func resolveText(t *testing.T, text string) *Options {
	t.Helper()
	p := newPerson(t)
	p.user(text)
	return p.mustResolve("a")
}
