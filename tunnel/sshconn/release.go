package sshconn

import (
	"reflect"
	"sync"
	"time"
	"unsafe"
)

// releaseTime is what the SSH library has to end by itself after its wire is dead.
const releaseTime = time.Second

// release waits for the death of the wire, and for the library to end, and lets go of what x/crypto/ssh v0.58.0 would leave
// behind for ever, each time with all the memory of the connection:
//
//   - An OpenChannel that enters its channel after the multiplexer has dropped all it knew (mux.go:218), and writes before
//     the write error is recorded (handshake.go:255), waits for an answer that nobody is there to give. Guard closes that
//     gap where the network dies, but not where the server says goodbye or breaks the protocol, which the library
//     learns inside a packet.
//   - A multiplexer that ends because the server broke the protocol reads no more packets. Where more than sixteen had come
//     by then, the reader waits for it (handshake.go:251), Close for the reader, and Wait for Close.
//
// A server that does either at every connection would fill our memory. The library has no door for this, so its own
// fields are used: where a later version has others, nothing is released, and TestReleaseKnowsTheLibrary fails.
func (l *Conn) release() {
	<-l.Wire.gone
	ended := make(chan struct{})
	go func() {
		l.Conn.Wait()
		close(ended)
	}()
	late := time.NewTimer(releaseTime)
	defer late.Stop()
	select {
	case <-ended:
	case <-late.C:
		discardPackets(l.Conn)
		<-ended
	}
	failOpens(l.Conn)
}

// discardPackets takes the packets that the library has decoded until its reader ends, which it does when the wire is dead.
// conn is what NewClientConn returned, or what it was about to return. It reports whether it knew the way.
func discardPackets(conn any) bool {
	incoming := member(reflect.ValueOf(conn), "transport", "incoming")
	if incoming.Kind() != reflect.Chan {
		return false
	}
	for {
		if _, ok := incoming.Recv(); !ok {
			return true
		}
	}
}

// failOpens ends every OpenChannel that still waits for its answer, with an error. The library must have ended: then the
// only channels it knows are those, and a new one cannot be written. It reports whether it knew the way.
func failOpens(conn any) bool {
	list := member(reflect.ValueOf(conn), "mux", "chanList")
	lock, channels := member(list, "Mutex"), member(list, "chans")
	if !lock.IsValid() || channels.Kind() != reflect.Slice {
		return false
	}
	guard, ok := lock.Addr().Interface().(*sync.Mutex)
	if !ok {
		return false
	}
	guard.Lock()
	defer guard.Unlock()
	for i := range channels.Len() {
		answer := member(channels.Index(i), "msg")
		if answer.Kind() != reflect.Chan {
			return false
		}
		answer.Close()
	}
	channels.SetZero()
	return true
}

// member follows the names from v, through pointers, and returns what it finds so that it can be used, exported or not; the
// zero Value where there is no such field.
func member(v reflect.Value, names ...string) reflect.Value {
	for _, name := range names {
		for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
			v = v.Elem()
		}
		if v.Kind() != reflect.Struct || !v.CanAddr() {
			return reflect.Value{}
		}
		f := v.FieldByName(name)
		if !f.IsValid() {
			return reflect.Value{}
		}
		v = reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem()
	}
	return v
}
