package sshtest

import (
	"context"

	"github.com/tunneld/tunneld/config"
)

// Defaults returns the options of a host that no file and no flag mentions, for a person without a home or an environment.
func Defaults(t T) *config.Options {
	t.Helper()
	o, err := config.Resolve(context.Background(), config.Request{
		Destination: "host.example",
		Flags:       []config.Flag{{Letter: 'F', Value: "none"}},
		Environment: config.Environment{Home: "/nonexistent", LocalUser: "bob", HostName: "here.example"},
	})
	if err != nil {
		t.Fatalf("defaults: %v", err)
	}
	return o
}
