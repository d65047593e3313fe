package proxy

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tunneld/tunneld/config"
)

// A client that says nothing, or a byte a second, is let go after handshakeTime; once its request is complete it has all the
// time that the target takes.
func TestProxyClientsThatDawdle(t *testing.T) {
	for _, c := range []struct {
		name string
		send string // a byte a second
		want time.Duration
	}{
		{"nothing", "", handshakeTime},
		{"SOCKS4", "\x04\x01\x00\x50\x00\x00\x00\x07" + strings.Repeat("u", 100), handshakeTime},
		{"SOCKS5", "\x05\xff" + strings.Repeat("\x01", 100), handshakeTime},
		{"HTTP", "CONNECT " + strings.Repeat("x", 100), handshakeTime},
		{"a slow target", "\x04\x01\x00\x50\x7f\x00\x00\x01\x00", time.Hour + 8*time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				var client sync.WaitGroup
				defer client.Wait()
				defer theirs.Close()
				client.Go(func() {
					for _, b := range []byte(c.send) {
						if _, err := theirs.Write([]byte{b}); err != nil {
							return
						}
						time.Sleep(time.Second)
					}
				})
				client.Go(func() { io.Copy(io.Discard, theirs) })
				began := time.Now()
				Serve(t.Context(), ours, anyAddr(), func(context.Context, config.Endpoint) (Route, error) {
					time.Sleep(time.Hour)
					return nil, ErrUnavailable
				})
				ours.Close()
				if took := time.Since(began); took != c.want {
					t.Errorf("let go after %v, want %v", took, c.want)
				}
			})
		})
	}
}
