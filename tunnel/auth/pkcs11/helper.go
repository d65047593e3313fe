package pkcs11

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/tunneld/tunneld/tunnel/auth/helper"
)

// program is the helper's name.
const program = "ssh-pkcs11-helper"

// loginFailed is how the helper begins to say which error a token has answered a PIN with (ssh-pkcs11.c of OpenSSH). Its protocol has
// nothing for that.
const loginFailed = "C_Login failed: "

// start starts a helper: the one that SSH_PKCS11_HELPER names, as for ssh, or else that of the system. pin is kept out of what it says.
// The error is a *MissingError, or a *HelperError where it may be another one the next time.
func start(log *slog.Logger, pin string) (*helper.Process, error) {
	named := os.Getenv("SSH_PKCS11_HELPER")
	path, err := helper.Find(program, named)
	if err != nil {
		return nil, &MissingError{Program: cmp.Or(named, program), Err: err}
	}
	process, err := helper.Program{Path: path, Secret: pin, Noted: loginFailed, Log: log}.Start()
	switch {
	case err == nil:
		return process, nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ENOEXEC):
		return nil, &MissingError{Program: path, Err: err}
	}
	return nil, &HelperError{Err: fmt.Errorf("cannot be run: %w", err)}
}

// ask puts a request to a helper. The error is the cause of ctx, or a *HelperError.
func ask(ctx context.Context, process *helper.Process, limit time.Duration, request []byte) ([]byte, error) {
	answer, err := process.Ask(ctx, limit, request)
	switch {
	case err == nil:
		return answer, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	return nil, &HelperError{Err: err, Said: process.Last()}
}

// What C_Login returns about a PIN (PKCS #11 2.40, 4.5 and 5.6).
const (
	pinIncorrect = 0xa0
	pinInvalid   = 0xa1
	pinTooLong   = 0xa2 // or too short
	pinExpired   = 0xa3
	pinLocked    = 0xa4
)

// judgement returns what tokens have made of the PIN, as far as the helper says so: CodePINRefused, CodePINLocked or, where none has
// refused it, CodeNothing. One helper shows the PIN to all tokens of the library that want one.
func judgement(process *helper.Process) Code {
	code := CodeNothing
	for _, behind := range process.Noted() {
		switch number, _ := strconv.Atoi(behind); number {
		case pinIncorrect, pinInvalid, pinTooLong, pinExpired:
			code = CodePINRefused
		case pinLocked:
			return CodePINLocked
		}
	}
	return code
}
