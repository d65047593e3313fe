package prompt

import (
	"context"
	"io"
	"os"

	"golang.org/x/sys/windows"

	"github.com/tunneld/tunneld/tunnel/auth"
)

// terminalPath is the keyboard of this process's console; what is shown goes to screenPath.
const (
	terminalPath = "CONIN$"
	screenPath   = "CONOUT$"
)

// openTerminal opens the console of this process for a question. A service has none.
func openTerminal(path string) (*os.File, error) {
	console, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, auth.ErrNobody
	}
	var mode uint32
	if windows.GetConsoleMode(windows.Handle(console.Fd()), &mode) != nil {
		console.Close()
		return nil, auth.ErrNobody
	}
	return console, nil
}

// readLine shows prompt and reads one line; with echo false nothing of it is seen. It ends with ctx, and leaves the console as it was; the
// line that is typed then goes to nobody, because a read of a console cannot be called away.
func readLine(ctx context.Context, console *os.File, prompt string, echo bool) (string, error) {
	screen, err := os.OpenFile(screenPath, os.O_WRONLY, 0)
	if err != nil {
		return "", err
	}
	defer screen.Close()
	restore, err := setEcho(console, echo)
	if err != nil {
		return "", err
	}
	defer restore()
	if _, err := io.WriteString(screen, "\r"+prompt); err != nil {
		return "", err
	}
	type answer struct {
		line string
		err  error
	}
	typed := make(chan answer, 1)
	go func() {
		buffer := make([]byte, maxAnswer)
		n, err := console.Read(buffer)
		if err == io.EOF { // Ctrl-Z
			err = nil
		}
		typed <- answer{firstLine(buffer[:max(n, 0)]), err}
	}()
	select {
	case a := <-typed:
		if !echo {
			io.WriteString(screen, "\r\n") // the one that was not echoed
		}
		return a.line, a.err
	case <-ctx.Done():
		io.WriteString(screen, "\r\n") // what comes next does not land on the question
		return "", ctx.Err()
	}
}

// setEcho has the console hand over whole lines, and show what is typed or not.
func setEcho(console *os.File, echo bool) (restore func(), err error) {
	handle := windows.Handle(console.Fd())
	var before uint32
	if err := windows.GetConsoleMode(handle, &before); err != nil {
		return nil, err
	}
	mode := before | windows.ENABLE_LINE_INPUT | windows.ENABLE_PROCESSED_INPUT | windows.ENABLE_ECHO_INPUT
	if !echo {
		mode &^= windows.ENABLE_ECHO_INPUT
	}
	return func() { windows.SetConsoleMode(handle, before) }, windows.SetConsoleMode(handle, mode)
}
