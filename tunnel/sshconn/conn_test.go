package sshconn

import (
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// openingServer is an SSH server of the library's own, without authentication, that accepts every channel.
func openingServer(t *testing.T) *stranger {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	c := &ssh.ServerConfig{NoClientAuth: true}
	c.AddHostKey(signer)
	return startPeer(t, func(conn net.Conn) {
		server, chans, reqs, err := ssh.NewServerConn(conn, c)
		if err != nil {
			return
		}
		defer server.Close()
		go ssh.DiscardRequests(reqs)
		for open := range chans {
			if _, requests, err := open.Accept(); err == nil {
				go ssh.DiscardRequests(requests)
			}
		}
	})
}

// The permanent hang of x/crypto/ssh v0.58.0: an OpenChannel that meets the death of its connection waits for ever,
// measured as one in ninety deaths. With the wire there is none where the network dies, and where the library finds the end
// inside what it reads, it is let go of afterwards.
func TestDeathLeavesNoOpenChannelHanging(t *testing.T) {
	for name, die := range map[string]func(*stranger){
		"the network dies":     (*stranger).cut,
		"damaged bytes arrive": (*stranger).damage,
	} {
		t.Run(name, func(t *testing.T) { deathLeavesNothing(t, die) })
	}
}

func deathLeavesNothing(t *testing.T, die func(*stranger)) {
	wantNoLeak(t)
	server := openingServer(t)
	deaths := 500
	if testing.Short() {
		deaths = 30
	}
	for round := range deaths {
		openers := 1 + 15*(round%4/3) // a lone one meets the gap more often than many
		conn, err := net.Dial("tcp", server.listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		l := &Conn{Wire: NewWire(conn)}
		l.Conn, l.Chans, l.Reqs, err = ssh.NewClientConn(l.Wire, "", &ssh.ClientConfig{HostKeyCallback: ssh.InsecureIgnoreHostKey()})
		if err != nil {
			t.Fatal(err)
		}
		l.Guard()
		go ssh.DiscardRequests(l.Reqs)
		go rejectChannels(l.Chans)

		var opening sync.WaitGroup
		busy := make(chan struct{}, openers)
		for range cap(busy) {
			opening.Go(func() {
				for refused := 0; refused < 5; { // the one that comes right after the first refusal meets the gap
					_, requests, err := l.Conn.OpenChannel("x", nil)
					select {
					case busy <- struct{}{}:
					default:
					}
					if err != nil {
						refused++
						continue
					}
					go ssh.DiscardRequests(requests)
				}
			})
		}
		for range cap(busy) {
			<-busy
		}
		die(server)
		ended := make(chan struct{})
		go func() {
			opening.Wait()
			close(ended)
		}()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Fatal("an OpenChannel hangs after its connection has died")
		}
		l.Close()
	}
}

// What release needs of the library's own fields. After an update of the library this may have to be written anew.
func TestReleaseKnowsTheLibrary(t *testing.T) {
	wantNoLeak(t)
	server := openingServer(t)
	conn, err := net.Dial("tcp", server.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	l := &Conn{Wire: NewWire(conn)}
	l.Conn, l.Chans, l.Reqs, err = ssh.NewClientConn(l.Wire, "", &ssh.ClientConfig{HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if !discardPackets(l.Conn) {
		t.Error("the channel of decoded packets is not where it was")
	}
	l.Conn.Wait()
	if !failOpens(l.Conn) {
		t.Error("the list of channels is not where it was")
	}
	if discardPackets(nil) || failOpens(&struct{ mux int }{}) || discardPackets(&struct{ transport *int }{}) {
		t.Error("something that is no connection of the library was taken for one")
	}
}
