package mux

import (
	"context"
	"errors"
	"io"
	"net"
)

// asker is a client of a master.
type asker struct {
	conn net.Conn
	next uint32 // request id
}

var errAnswer = errors.New("the answer of the master was not understood")

// dial greets the master at path. ctx bounds all that is asked of it.
func dial(ctx context.Context, path string) (*asker, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	a := &asker{conn: conn}
	if until, ok := ctx.Deadline(); ok {
		conn.SetDeadline(until)
	}
	if err := a.greet(); err != nil {
		conn.Close()
		return nil, err
	}
	return a, nil
}

func (a *asker) greet() error {
	hello, err := readMessage(a.conn)
	if err != nil {
		return err
	}
	if kind, ok := hello.number(); !ok || kind != typeHello {
		return errAnswer
	}
	_, err = a.conn.Write(newMessage(typeHello, protocolVersion).packet())
	return err
}

// ask sends a request without fields and returns the fields of the answer, which has to be of kind want.
func (a *asker) ask(request, want uint32) (fields, error) {
	id := a.next
	a.next++
	if _, err := a.conn.Write(newMessage(request, id).packet()); err != nil {
		return nil, err
	}
	answer, err := readMessage(a.conn)
	if err != nil {
		return nil, err
	}
	var kind, to uint32
	if !answer.numbers(&kind, &to) || to != id || kind != want {
		return nil, errAnswer
	}
	return answer, nil
}

// Alive returns the process ID of the master that listens at path. A socket without one is syscall.ECONNREFUSED.
func Alive(ctx context.Context, path string) (pid int, err error) {
	a, err := dial(ctx, path)
	if err != nil {
		return 0, err
	}
	defer a.conn.Close()
	answer, err := a.ask(requestAlive, answerAlive)
	if err != nil {
		return 0, err
	}
	n, ok := answer.number()
	if !ok {
		return 0, errAnswer
	}
	return int(n), nil
}

// stopListening has the master at path give up its socket. Its sessions go on.
func stopListening(ctx context.Context, path string) error {
	a, err := dial(ctx, path)
	if err != nil {
		return err
	}
	defer a.conn.Close()
	_, err = a.ask(requestStop, answerOK)
	if errors.Is(err, io.EOF) {
		return nil // it is gone
	}
	return err
}
