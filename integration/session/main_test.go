package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/sshflag"
	"github.com/tunneld/tunneld/integration/lab"
	"github.com/tunneld/tunneld/tunnel"
	"github.com/tunneld/tunneld/tunnel/auth"
	"github.com/tunneld/tunneld/tunnel/interactive"
	"github.com/tunneld/tunneld/tunnel/sshconn"
)

// asProgram makes the test binary the smallest program around tunnel/interactive: it takes the words of ssh(1).
const asProgram = "TUNNELD_TEST_SESSION"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) == "" {
		os.Exit(lab.Main(m))
	}
	status, err := program(os.Args[1:])
	var refused *interactive.RefusedError
	switch {
	case errors.As(err, &refused):
		fmt.Fprintln(os.Stderr, refused, "on channel 0") // as ssh has it
	case err != nil && !errors.Is(err, interactive.ErrNoStatus):
		fmt.Fprintln(os.Stderr, "error:", err)
	}
	os.Exit(status)
}

func program(words []string) (int, error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	read, rest, _, err := sshflag.Read(words, nil)
	if err != nil {
		return interactive.StatusNone, err
	}
	var flags []config.Flag
	for _, f := range read {
		flags = append(flags, config.Flag(f))
	}
	environment, err := config.CurrentEnvironment()
	if err != nil {
		return interactive.StatusNone, err
	}
	o, err := config.Resolve(ctx, config.Request{
		Destination: rest[0], Flags: flags, FlagsBefore: len(flags), Environment: environment, Session: true,
	})
	if err != nil {
		return interactive.StatusNone, err
	}
	request, note, err := interactive.For(o, strings.Join(rest[1:], " "), os.Stdin, os.Environ())
	if err != nil {
		return interactive.StatusNone, err
	}
	if note != "" {
		fmt.Fprintln(os.Stderr, note)
	}
	log := slog.New(slog.DiscardHandler)
	t := tunnel.New(o, &sshconn.Dialer{Credentials: auth.NewCredentials(nil, log), Log: log}, log)
	s, err := t.Connect(ctx)
	if err != nil {
		return interactive.StatusNone, err
	}
	defer s.Close()
	result, err := interactive.Run(ctx, s.OpenSession, request, interactive.Files{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	return result.Status, err
}
