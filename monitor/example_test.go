package monitor_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"

	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/monitor"
	"github.com/tunneld/tunneld/tunnel"
	"github.com/tunneld/tunneld/tunnel/auth"
	"github.com/tunneld/tunneld/tunnel/sshconn"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// A tunnel to a server of which nothing but its host key is known. The state that OnChange announces is read with Status.
func ExampleNew() {
	server, err := sshtest.New(nil) // lets everybody in
	if err != nil {
		panic(err)
	}
	if err := server.Start(); err != nil {
		panic(err)
	}
	defer server.Stop()
	known, err := os.CreateTemp("", "known_hosts")
	if err != nil {
		panic(err)
	}
	defer os.Remove(known.Name())
	fmt.Fprintln(known, knownhosts.Line([]string{server.Address()}, server.HostKey()))
	known.Close()

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	host, port, _ := net.SplitHostPort(server.Address())
	o, err := config.Resolve(ctx, config.Request{
		Destination: host,
		Flags: []config.Flag{
			{Letter: 'F', Value: "none"},
			{Letter: 'p', Value: port},
			{Letter: 'o', Value: "UserKnownHostsFile=" + known.Name()},
			{Letter: 'o', Value: "GlobalKnownHostsFile=none"},
			{Letter: 'o', Value: "IdentityAgent=none"},
		},
		Environment: config.Environment{Home: "/nonexistent", LocalUser: "bob", HostName: "here.example"},
	})
	if err != nil {
		panic(err)
	}

	log := slog.New(slog.DiscardHandler)
	t := tunnel.New(o, &sshconn.Dialer{Credentials: auth.NewCredentials(nil, log), Log: log}, log)
	changed := make(chan struct{}, 1)
	m := monitor.New(monitor.Config{
		Name:    "db",
		Options: o,
		Log:     log,
		OnChange: func() {
			select {
			case changed <- struct{}{}:
			default: // Status says the newest anyway
			}
		},
	}, monitor.Adapt(t))
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	for m.Status().State != monitor.Up {
		<-changed
	}
	s := m.Status()
	fmt.Println(s.Name, "is", s.State, "at", s.Server.User+"@"+s.Server.Host)
	stop()
	fmt.Println(<-done, m.Status().State)
	// Output:
	// db is up at bob@127.0.0.1
	// <nil> stopped
}
