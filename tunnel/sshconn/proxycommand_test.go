package sshconn

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/fault"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// throughTool returns options that reach s by a ProxyCommand; format has the port.
func (s *sshd) throughTool(t *testing.T, format string) *config.Options {
	o := s.options(t)
	o.ProxyCommand = strings.ReplaceAll(format, "PORT", strconv.Itoa(s.port()))
	return o
}

func TestProxyCommand(t *testing.T) {
	for tool, command := range map[string]string{
		"socat": "socat - TCP:127.0.0.1:PORT",
		"bash":  "bash -c 'exec 3<>/dev/tcp/127.0.0.1/PORT; cat <&3 & cat >&3; kill $!'",
	} {
		t.Run(tool, func(t *testing.T) {
			peerTool(t, tool)
			wantNoLeak(t)
			server := startSSHD(t)
			l, err := peerDialer(t).Dial(t.Context(), server.throughTool(t, command))
			if err != nil {
				t.Fatal(err)
			}
			serveLink(t, l)
			echoThrough(t, l)
			if l.Info.Address != "" || fmt.Sprint(l.Info.Via) != "[proxy command]" {
				t.Errorf("server %+v", l.Info)
			}
			l.Close()
			select {
			case <-l.proxy.exited:
			default:
				t.Error("close did not wait for the command")
			}
		})
	}
}

func TestProxyCommandReplacesTheShell(t *testing.T) {
	server := startSSHD(t)
	peerTool(t, "socat")
	shell := filepath.Join(t.TempDir(), "shell")
	peerWrite(t, shell, []byte("#!/bin/sh\nprintf '%s\\n' \"$0\" \"$@\" >"+shell+".log\nexec /bin/sh \"$@\"\n"))
	os.Chmod(shell, 0o700)
	d := peerDialer(t)
	d.Shell = shell
	l, err := d.Dial(t.Context(), server.throughTool(t, "socat - TCP:127.0.0.1:PORT"))
	if err != nil {
		t.Fatal(err)
	}
	serveLink(t, l)
	got, _ := os.ReadFile(shell + ".log")
	if want := fmt.Sprintf("%s\n-c\nexec socat - TCP:127.0.0.1:%d\n", shell, server.port()); string(got) != want {
		t.Errorf("ran %q, want %q", got, want)
	}
}

func TestProxyCommandThatFails(t *testing.T) {
	keys := newPeerKeys(t)
	for _, c := range []struct{ name, command, text string }{
		{"says why", "sh -c 'echo cannot reach the moon >&2; exit 1'", "ProxyCommand ended (exit status 1): cannot reach the moon"},
		{"without a line end", "sh -c 'printf half >&2; exit 3'", "ProxyCommand ended (exit status 3): half"},
		{"says nothing", "false", "ProxyCommand ended (exit status 1)"},
		{"is content", "true", "ProxyCommand ended (exit status 0)"},
		{"not installed", "no-such-command-here", "(exit status 127)"},
		{"killed", "sh -c 'kill -9 $$'", "ProxyCommand ended (signal: killed)"},
		{"ends its output alone", "sh -c 'exec >/dev/null; sleep 2'", "key exchange: ProxyCommand closed the connection"},
		{"leaves a child behind", "sh -c 'sleep 2 >/dev/null </dev/null & exit 4'", "ProxyCommand ended (exit status 4)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantNoLeak(t)
			o := peerOptions(t, 22, keys.public, keys.file)
			o.ProxyCommand = c.command
			_, err := peerDialer(t).Dial(t.Context(), o)
			phase := fault.PhaseDial
			if strings.HasPrefix(c.text, "key exchange") {
				phase = fault.PhaseHandshake
			}
			wantDialError(t, err, phase, false, c.text, "")
		})
	}
	t.Run("no shell", func(t *testing.T) {
		d := peerDialer(t)
		d.Shell = "/no/such/shell"
		o := peerOptions(t, 22, keys.public, keys.file)
		o.ProxyCommand = "true"
		_, err := d.Dial(t.Context(), o)
		wantDialError(t, err, fault.PhaseConfig, true, "ProxyCommand: no shell to run it: fork/exec /no/such/shell", "use ProxyJump")
	})
	t.Run("mute", func(t *testing.T) {
		wantNoLeak(t)
		o := peerOptions(t, 22, keys.public, keys.file)
		o.ProxyCommand, o.ConnectTimeout = "sleep 60", 300*time.Millisecond
		_, err := peerDialer(t).Dial(t.Context(), o)
		wantDialError(t, err, fault.PhaseHandshake, false, "no answer within 300ms", "")
	})
}

func TestProxyCommandDiesLater(t *testing.T) {
	wantNoLeak(t)
	peerTool(t, "socat")
	server := startSSHD(t)
	l, err := peerDialer(t).Dial(t.Context(), server.throughTool(t, "socat - TCP:127.0.0.1:PORT"))
	if err != nil {
		t.Fatal(err)
	}
	serveLink(t, l)
	l.proxy.cmd.Process.Kill()
	sshtest.Eventually(t, "the wire is dead", l.Wire.Dead)
	if got := l.Wire.err().Error(); got != "ProxyCommand ended (signal: killed)" {
		t.Errorf("ended with %s", got)
	}
}
