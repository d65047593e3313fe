package config

import "testing"

func TestWhatASessionIsLike(t *testing.T) {
	p := newPerson(t)
	p.user("RemoteCommand echo %h\nSetEnv A=1 B=2\nSendEnv LANG LC_*\nForwardAgent yes\nEscapeChar ^x\nLocalForward 1 h:2\n")
	request := Request{Destination: "host", Environment: p.environment}
	request.Session = true
	request.Flags = []Flag{{'t', ""}, {'n', ""}}
	o, err := Resolve(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	s := o.Session
	equal(t, "command", s.Command, "echo host")
	equal(t, "terminal", s.Terminal, "true")
	equal(t, "standard input", s.StdinNull, true)
	equal(t, "escape", s.Escape, 'x'&31)
	equal(t, "variables", len(s.SetEnv), 2)
	equal(t, "patterns", len(s.SendEnv), 2)
	equal(t, "agent", s.ForwardAgent, true)
	equal(t, "warnings", len(o.Warnings), 0)
}

func TestFlagsOfASession(t *testing.T) {
	p := newPerson(t)
	for _, c := range []struct {
		name  string
		flags []Flag
		check func(*Options) bool
	}{
		{"-e none", []Flag{{'e', "none"}}, func(o *Options) bool { return o.Session.Escape == 0 }},
		{"-e ~ -e ^A", []Flag{{'e', "~"}, {'e', "^A"}}, func(o *Options) bool { return o.Session.Escape == 1 }},
		{"-s", []Flag{{'s', ""}}, func(o *Options) bool { return o.Session.Type == "subsystem" }},
		{"-W h:80 -L", []Flag{{'W', "h:80"}, {'L', "1:h:2"}}, func(o *Options) bool {
			return o.Session.Stdio == Endpoint{Host: "h", HostSet: true, Port: 80} && len(o.Forwards) == 0 && o.ExitOnForwardFailure && o.Session.Type == "none"
		}},
		{"-W path", []Flag{{'W', "/run/x"}}, func(o *Options) bool { return o.Session.Stdio.Path == "/run/x" }},
		{"-W and ClearAllForwardings no", []Flag{{'W', "h:80"}, {'L', "1:h:2"}, {'o', "ClearAllForwardings no"}}, func(o *Options) bool { return len(o.Forwards) == 1 }},
	} {
		request := Request{Destination: "host", Environment: p.environment}
		request.Session, request.Flags = true, c.flags
		o, err := Resolve(t.Context(), request)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if !c.check(o) {
			t.Errorf("%s: %+v", c.name, o.Session)
		}
	}
	for name, flags := range map[string][]Flag{
		"-e ab": {{'e', "ab"}}, "-W bad": {{'W', "bad"}}, "-W twice": {{'W', "h:1"}, {'W', "h:2"}}, "-N -s": {{'N', ""}, {'s', ""}}, "-s -N": {{'s', ""}, {'N', ""}},
	} {
		request := Request{Destination: "host", Environment: p.environment}
		request.Session, request.Flags = true, flags
		if _, err := Resolve(t.Context(), request); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
