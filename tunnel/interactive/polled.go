package interactive

import (
	"os"

	"golang.org/x/sys/unix"
)

// polled asks poll(2) before each call, and so waits in a place from which it can be called away. It is for what cannot be
// opened a second time: sockets, and what belongs to another user or system. It takes a thread while it waits.
type polled struct {
	fd     int
	socket bool
	awake  *os.File // becomes readable when waiting is over
	alarm  *os.File // its other end
}

func newPolled(fd int, socket bool) (*polled, error) {
	awake, alarm, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	return &polled{fd, socket, awake, alarm}, nil
}

func (f *polled) interrupt() { f.alarm.Close() }
func (f *polled) release()   { f.awake.Close() }

func (f *polled) Read(p []byte) (int, error) {
	return f.when(unix.POLLIN, func() (int, error) {
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
	return f.when(unix.POLLOUT, func() (int, error) {
		if f.socket {
			return unix.SendmsgN(f.fd, p, nil, nil, unix.MSG_DONTWAIT|noSignal)
		}
		return unix.Write(f.fd, p[:min(len(p), sureToFit)])
	})
}

// when makes the call once it can be made, and again where somebody else was faster.
func (f *polled) when(event int16, call func() (int, error)) (int, error) {
	for {
		if err := f.wait(event); err != nil {
			return 0, err
		}
		n, err := retry(call)
		if err != unix.EAGAIN {
			return n, err
		}
	}
}

func (f *polled) wait(event int16) error {
	var waiting error
	err := control(f.awake, func(awake int) error {
		watched := []unix.PollFd{{Fd: int32(f.fd), Events: event}, {Fd: int32(awake), Events: unix.POLLIN}}
		_, waiting = retry(func() (int, error) { return unix.Poll(watched, -1) })
		if watched[1].Revents != 0 {
			return errFileClosed
		}
		return waiting
	})
	return err
}
