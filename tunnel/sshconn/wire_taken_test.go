package sshconn

import (
	"io"
	"net"
	"testing"
)

// Whoever has to know whether the reader has got through what came learns it when it asks for more, and never where it does not.
func TestAllTaken(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	w := NewWire(near)
	defer w.Close()
	go far.Write([]byte("some"))
	if _, err := io.ReadFull(w, make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	early := w.AllTaken()
	if _, err := io.ReadFull(w, make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-early:
		t.Fatal("it was told before the reader had asked for more")
	default:
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.Read(make([]byte, 1))
	}()
	<-early
	<-w.AllTaken() // it waits
	far.Close()
	<-ended
	select {
	case <-w.AllTaken():
		t.Error("it was told of a wire that is dead")
	default:
	}
}
