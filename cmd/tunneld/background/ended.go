package background

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/tunneld/tunneld/config/filelock"
	"github.com/tunneld/tunneld/config/filemode"
	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/config/sshpattern"
)

// maxTrace is how much of a trace is shown, in bytes.
const maxTrace = 256 << 10

// HasEnded reports whether a trace at one of these paths is of a process that has ended, and that ran a tunnel of that name or
// pattern.
func HasEnded(paths []string, word string) bool { return ShowEnded(io.Discard, paths, []string{word}) }

// ShowEnded prints what processes left behind that have ended, those that ran a tunnel of one of these names or patterns; without
// any, all. It reports whether there was one.
func ShowEnded(out io.Writer, paths, words []string) (told bool) {
	for _, path := range paths {
		text := readTrace(path)
		head, rest, complete := strings.Cut(text, "\n")
		if !complete || !isMeant(namesIn(head), words) {
			continue
		}
		for line := range strings.Lines(text) {
			fmt.Fprintln(out, foreign.Own(strings.TrimRight(line, "\r\n")))
		}
		if rest == "" {
			fmt.Fprintln(out, "it left no word: it was killed, or the machine went down")
		}
		told = true
	}
	return told
}

// readTrace returns what a process left behind; nothing, while it lives, which a process may do that does not answer or has put the
// tunnel down, nor where that cannot be known.
func readTrace(path string) string {
	file, err := os.OpenFile(path, os.O_RDONLY|filemode.NoFollow|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "" // it has just been removed
	}
	defer file.Close()
	if lives, err := filelock.IsHeld(file); lives || err != nil {
		return ""
	}
	text, _ := io.ReadAll(io.LimitReader(file, maxTrace)) // as much as can be read
	return string(text)
}

func isMeant(names, words []string) bool {
	return len(words) == 0 || slices.ContainsFunc(words, func(word string) bool {
		return slices.ContainsFunc(names, func(name string) bool {
			ok, _ := filepath.Match(word, name)
			return ok || sshpattern.MatchPattern(name, word) // past a slash (ssh://host) as well
		})
	})
}

// namesIn returns the names in the first line of a trace, as Rename writes them.
func namesIn(head string) (names []string) {
	list := head[:max(0, strings.LastIndex(head, behindNames))]
	for list != "" {
		name, rest, _ := strings.Cut(list, " ")
		if quoted, err := strconv.QuotedPrefix(list); err == nil && list[0] == '"' {
			name, _ = strconv.Unquote(quoted)
			rest = strings.TrimPrefix(list[len(quoted):], " ")
		}
		names, list = append(names, name), rest
	}
	return names
}
