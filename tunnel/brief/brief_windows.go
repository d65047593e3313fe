package brief

import "syscall"

// possible is false: a socket that has nothing is waited for.
const possible = false

// Read is not called.
func Read(int, []byte) (int, error) { return 0, syscall.EWINDOWS }

// Write is not called.
func Write(int, []byte) (int, error) { return 0, syscall.EWINDOWS }
