package tunnel_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel"
	"github.com/tunneld/tunneld/tunnel/auth"
	"github.com/tunneld/tunneld/tunnel/sshconn"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// A local forward. Its client comes before there is a connection, and is served by the first one.
func ExampleNew() {
	server, err := sshtest.New(nil) // lets everybody in
	if err != nil {
		panic(err)
	}
	if err := server.Start(); err != nil {
		panic(err)
	}
	defer server.Wait()
	defer server.Stop()
	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer target.Close()
	go func() {
		conn, err := target.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(conn, "hello from the far side")
	}()

	known, err := os.CreateTemp("", "known_hosts")
	if err != nil {
		panic(err)
	}
	defer os.Remove(known.Name())
	fmt.Fprintln(known, knownhosts.Line([]string{server.Address()}, server.HostKey()))
	known.Close()
	host, port, _ := net.SplitHostPort(server.Address())
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
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
	o.Forwards = []config.Forward{{
		Kind:   config.Local,
		Listen: config.Endpoint{Host: "127.0.0.1", HostSet: true}, // the kernel chooses the port
		Target: config.Endpoint{Host: "127.0.0.1", Port: target.Addr().(*net.TCPAddr).Port},
	}}

	log := slog.New(slog.DiscardHandler)
	t := tunnel.New(o, &sshconn.Dialer{Credentials: auth.NewCredentials(nil, log), Log: log}, log)
	defer t.Close()
	if err := t.Listen(ctx, nil); err != nil {
		panic(err)
	}
	client, err := net.Dial("tcp", t.Forwards()[0].Bound[0])
	if err != nil {
		panic(err)
	}
	defer client.Close()

	s, err := t.Connect(ctx)
	if err != nil {
		panic(err)
	}
	t.Join(s)
	words, err := io.ReadAll(client)
	fmt.Printf("%s, %v\n", words, err)
	fmt.Println("through", s.Server().User+"@"+s.Server().Host)
	// Output:
	// hello from the far side, <nil>
	// through bob@127.0.0.1
}
