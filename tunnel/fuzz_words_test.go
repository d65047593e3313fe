package tunnel

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/config"
)

// FuzzSpec writes forwards as a person types them.
func FuzzSpec(f *testing.F) {
	f.Add("h", 80, "", "db", 5432)
	f.Add("::1", 1, "", "2001:db8::1", 2)
	f.Add("", 1, "/run/a.sock", "*", 2)
	f.Fuzz(func(t *testing.T, listen string, port int, path, target string, targetPort int) {
		if port < 1 || port > 65535 || targetPort < 1 || targetPort > 65535 {
			t.Skip()
		}
		for _, text := range []string{listen, path, target} {
			if strings.ContainsAny(text, "\\[]$% \t\n\v\f\r") || len(text) > 100 {
				t.Skip() // does not come out of a specification without brackets and backslashes
			}
		}
		if strings.Contains(listen+target, "/") || target == "" || path != "" && (!strings.Contains(path, "/") || strings.Contains(path, ":")) {
			t.Skip()
		}
		want := config.Forward{
			Kind: config.Local, Listen: config.Endpoint{Host: listen, HostSet: true, Port: port},
			Target: config.Endpoint{Host: target, HostSet: true, Port: targetPort},
		}
		if path != "" {
			want.Listen = config.Endpoint{Path: path}
		}
		letter, text, _ := strings.Cut(Spec(want), " ")
		o, err := config.Resolve(t.Context(), config.Request{Destination: "h", Flags: []config.Flag{{Letter: 'F', Value: "none"}, {Letter: letter[1], Value: text}}})
		if err != nil || len(o.Forwards) != 1 {
			t.Fatalf("%+v is written %s %s, and read %v", want, letter, text, err)
		}
		got := o.Forwards[0]
		if got.Source = want.Source; got != want {
			t.Errorf("%+v is written %s %s, and read %+v", want, letter, text, got)
		}
	})
}

// FuzzPermitted applies a rule of PermitRemoteOpen.
func FuzzPermitted(f *testing.F) {
	f.Add("db:5432", "db", 5432)
	f.Add("*:*", "\x1b", 1)
	f.Add("[::1]:*", "::1", 22)
	f.Add("none", "none", 1)
	f.Add(":", "", 0)
	f.Fuzz(func(t *testing.T, rule, host string, port int) {
		target := config.Endpoint{Host: host, HostSet: true, Port: port}
		if !permitted([]string{rule}, target) {
			return
		}
		ruleHost, rulePort, err := net.SplitHostPort(rule)
		if err != nil || !slices.Contains([]string{"*", host}, ruleHost) || !slices.Contains([]string{"*", fmt.Sprint(port)}, rulePort) {
			t.Errorf("%q permits %q port %d", rule, host, port)
		}
	})
}
