package config

import (
	"context"
	"reflect"
	"testing"

	"github.com/tunneld/tunneld/config/quiet"
)

// What one reading found needs no look in the next one, and is the same with it: options, warnings and mistakes.
func TestResolveRemembersQuietLines(t *testing.T) {
	const good = `Host a
  Port 1
  LocalForward 8080 db:80
Host b
  Port 2
  Compression yes
Match host a user nobody
  Port 3
Host *
  User bob
`
	for name, text := range map[string]string{
		"good":                                   good,
		"bad":                                    good + "Host nobody\n  Port none\n",
		"unknown keywords that one host ignores": "Host c\n  IgnoreUnknown UseKeychain\nHost d\n  UseKeychain yes\n",
	} {
		p := newPerson(t)
		p.user(text)
		var lines quiet.Lines
		for range 2 {
			for _, alias := range []string{"c", "a", "b", "d"} {
				request := Request{Destination: alias, Environment: p.environment}
				want, wantErr := Resolve(context.Background(), request)
				request.Quiet = &lines
				got, err := Resolve(context.Background(), request)
				if !reflect.DeepEqual(err, wantErr) {
					t.Errorf("%s, %s: %v, want %v", name, alias, err, wantErr)
				}
				if want == nil || got == nil {
					continue
				}
				if !reflect.DeepEqual(got.connection(), want.connection()) || !reflect.DeepEqual(got.Forwards, want.Forwards) || !reflect.DeepEqual(got.Warnings, want.Warnings) {
					t.Errorf("%s, %s: %+v, want %+v", name, alias, got, want)
				}
			}
		}
	}
}
