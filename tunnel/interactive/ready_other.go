//go:build unix && !linux

package interactive

import (
	"os"

	"golang.org/x/sys/unix"
)

// readiness waits until a file can be read, or written. It takes a thread while it waits.
type readiness struct {
	fd    int
	event int16
	awake *os.File // becomes readable when waiting is over
	alarm *os.File // its other end
}

func newReadiness(fd, access int) (*readiness, error) {
	event := int16(unix.POLLIN)
	if access == unix.O_WRONLY {
		event = unix.POLLOUT
	}
	awake, alarm, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	return &readiness{fd, event, awake, alarm}, nil
}

func (r *readiness) interrupt() { r.alarm.Close() }
func (r *readiness) release()   { r.awake.Close() }

// wait returns when the file is ready, or after interrupt.
func (r *readiness) wait() error {
	return control(r.awake, func(awake int) error {
		watched := []unix.PollFd{{Fd: int32(r.fd), Events: r.event}, {Fd: int32(awake), Events: unix.POLLIN}}
		_, err := retry(func() (int, error) { return unix.Poll(watched, -1) })
		if watched[1].Revents != 0 {
			return errFileClosed
		}
		return err
	})
}
