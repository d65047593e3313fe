package config

import (
	"slices"
	"testing"
)

func TestPermittedOpens(t *testing.T) {
	got := permittedOpens([]string{"db:http", "[::1]:*", "*:22"})
	if want := []string{"db:80", "[::1]:*", "*:22"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestPermitRemoteOpen(t *testing.T) {
	for text, want := range map[string][]string{
		"":                               nil, // anything
		"PermitRemoteOpen any":           nil,
		"PermitRemoteOpen ANY":           nil,
		"PermitRemoteOpen none":          {},
		"PermitRemoteOpen None":          {},
		"PermitRemoteOpen db:http h:1":   {"db:80", "h:1"},
		"PermitRemoteOpen *:1 any.org:*": {"*:1", "any.org:*"},
	} {
		p := newPerson(t)
		p.user(text + "\n")
		if got := p.mustResolve("a").PermitRemoteOpen; !slices.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("%q: got %#v, want %#v", text, got, want)
		}
	}
}
