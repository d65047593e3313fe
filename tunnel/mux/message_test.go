package mux

import (
	"bytes"
	"testing"
)

// A request for a forward, as ssh sends it.
func BenchmarkReadMessage(b *testing.B) {
	packet := newMessage(requestOpenForward, 1, 1).text("127.0.0.1").text("").packet()
	b.ReportAllocs()
	for b.Loop() {
		f, err := readMessage(bytes.NewReader(packet))
		if err != nil {
			b.Fatal(err)
		}
		var kind, id, way uint32
		var host, path string
		if !f.numbers(&kind, &id, &way) || !f.texts(&host, &path) || kind != requestOpenForward || host != "127.0.0.1" {
			b.Fatal("not what was written")
		}
	}
}
