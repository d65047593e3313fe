package tunnel

import (
	"io"
	"sync/atomic"
	"time"

	"github.com/tunneld/tunneld/tunnel/proxy"
)

// bounded is a connection of which one direction carries no more than a request.
type bounded struct {
	stream
	own  proxy.Extent
	over atomic.Bool
}

func (b *bounded) Abort() { reset(b.stream) }

// lingerTime is how long a client's bytes that go nowhere are taken after the end, so that they do not make a reset of it, which
// could destroy the end of the answer at the client.
const lingerTime = 2 * time.Second

// boundedClient is the connection of a client.
type boundedClient struct{ *bounded }

func boundClient(conn stream, own proxy.Extent) stream {
	return boundedClient{&bounded{stream: conn, own: own}}
}

func (b boundedClient) Read(p []byte) (int, error) {
	if b.over.Load() {
		return 0, io.EOF
	}
	n, err := b.stream.Read(p)
	own := b.own(p[:n])
	if own == n {
		return n, err
	}
	if b.over.Store(true); own == 0 {
		return 0, io.EOF
	}
	return own, nil
}

func (b boundedClient) Close() error {
	if b.over.Load() && b.stream.CloseWrite() == nil {
		b.stream.SetReadDeadline(time.Now().Add(lingerTime))
		io.Copy(io.Discard, b.stream)
	}
	return b.stream.Close()
}

// boundedTarget is the connection to a target.
type boundedTarget struct{ *bounded }

func boundTarget(conn stream, own proxy.Extent) stream {
	return boundedTarget{&bounded{stream: conn, own: own}}
}

func (b boundedTarget) Write(p []byte) (int, error) {
	if b.over.Load() {
		return len(p), nil
	}
	own := b.own(p)
	n, err := b.stream.Write(p[:own])
	if err != nil || own == len(p) {
		return n, err
	}
	b.over.Store(true)
	b.stream.CloseWrite()
	return len(p), nil
}
