package tunnel

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// The port that the server chose stands in the file while it listens, stays the same over a reconnect where the server
// still has it, and the file goes away at the end.
func TestPortFile(t *testing.T) {
	p := newPeer(t)
	path := filepath.Join(t.TempDir(), "ports")
	near := target(t, echoBytes)
	fixed := config.Endpoint{Path: "/does/not/matter"}
	tun := newTestTunnel(t, &config.Options{PortFile: path, Forwards: []config.Forward{
		{Kind: config.Remote, Target: near},
		{Kind: config.Remote, Listen: fixed, Target: near},
	}})
	holds := func(want string) func() bool {
		return func() bool {
			data, err := os.ReadFile(path)
			return err == nil && string(data) == want
		}
	}
	s := p.session(config.Echo{})
	tun.Join(s)
	sshtest.Eventually(t, "listening", func() bool { return tun.Forwards()[0].State == ForwardListening })
	bound := tun.Forwards()[0].Bound[0]
	line := "0:" + endpointText(near) + " " + bound + "\n"
	sshtest.Eventually(t, line, holds(line))

	var asked []uint32
	p.OnListen = func(_ string, port uint32) (uint32, bool) {
		asked = append(asked, port)
		return port, port == 0
	}
	p.Cut()
	<-s.Done()
	tun.Leave(s)
	sshtest.Eventually(t, "nothing", holds(""))
	tun.Join(p.session(config.Echo{}))
	sshtest.Eventually(t, "another port", func() bool {
		return tun.Forwards()[0].State == ForwardListening && holds("0:"+endpointText(near)+" "+tun.Forwards()[0].Bound[0]+"\n")()
	})
	if len(asked) < 2 || asked[0] == 0 || asked[1] != 0 {
		t.Errorf("asked for %v, want the port of before and then any", asked)
	}
	tun.Shutdown(t.Context())
	tun.noteChange() // a reload that was under way says so
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is left: %v", err)
	}
}
