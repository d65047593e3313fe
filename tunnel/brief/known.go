//go:build unix

package brief

import "syscall"

// known makes a call that the scheduler knows of.
func known(call func(int, []byte) (int, error), fd int, p []byte) (int, error) {
	for {
		n, err := call(fd, p)
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}
