//go:build unix

package interactive

import "golang.org/x/sys/unix"

// polled waits until a call can be made, in a place from which it can be called away. It is for what cannot be opened a
// second time: sockets, and what belongs to another user or system.
type polled struct {
	fd     int
	socket bool
	*readiness
}

func newPolled(fd, access int, socket bool) (*polled, error) {
	ready, err := newReadiness(fd, access)
	if err != nil {
		return nil, err
	}
	return &polled{fd, socket, ready}, nil
}

func (f *polled) Read(p []byte) (int, error) {
	return f.when(func() (int, error) {
		if f.socket {
			n, _, err := unix.Recvfrom(f.fd, p, unix.MSG_DONTWAIT)
			return n, err
		}
		return unix.Read(f.fd, p)
	})
}

// sureToFit is what a pipe or a terminal takes at once where it takes anything.
const sureToFit = 512

func (f *polled) Write(p []byte) (int, error) {
	return f.when(func() (int, error) {
		if f.socket {
			return unix.SendmsgN(f.fd, p, nil, nil, unix.MSG_DONTWAIT|noSignal)
		}
		return unix.Write(f.fd, p[:min(len(p), sureToFit)])
	})
}

// when makes the call once it can be made, and again where somebody else was faster. On a socket it is made without waiting,
// since no call there waits.
func (f *polled) when(call func() (int, error)) (int, error) {
	for waits := !f.socket; ; waits = true {
		if waits {
			if err := f.wait(); err != nil {
				return 0, err
			}
		}
		n, err := call()
		if err != unix.EAGAIN {
			return n, err
		}
	}
}
