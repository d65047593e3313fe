package watch

import (
	"os"

	"golang.org/x/sys/windows"
)

// notifyChanges does nothing: no signal tells of a new size, which is looked at each second.
func notifyChanges(chan<- os.Signal) {}

func isContinue(os.Signal) bool { return false }

// understandEscapes has a console do what escape sequences say. It stays so: whatever writes there next does not mind.
func understandEscapes(out *os.File) error {
	var mode uint32
	console := windows.Handle(out.Fd())
	if err := windows.GetConsoleMode(console, &mode); err != nil {
		return err
	}
	return windows.SetConsoleMode(console, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING)
}

// stop does nothing: Ctrl-Z stops no process there.
func (*terminal) stop(<-chan os.Signal) {}
