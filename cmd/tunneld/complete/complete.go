// Package complete answers the completion of shells: the scripts, which need no other package, and what they are told.
//
// A script runs `tunneld __complete WORD...` and puts what it is told into the command line, where it may be run with the next
// key. Some of it was chosen by others: names of tunnels on the sockets of other users, aliases in files of the system. So what a
// shell could take for more than a word is left out, here and once more in the scripts that do not quote by themselves.
package complete

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/config/sshflag"
)

var (
	//go:embed tunneld.bash
	bash string
	//go:embed tunneld.zsh
	zsh string
	//go:embed tunneld.fish
	fish string
)

// Shells are those that there is a script for.
var Shells = []string{"bash", "fish", "powershell", "zsh"}

// Script writes the script of one of Shells.
func Script(out io.Writer, root *cobra.Command, shell string) error {
	text := map[string]string{"bash": bash, "zsh": zsh, "fish": fish}[shell]
	if shell == "powershell" {
		return root.GenPowerShellCompletionWithDesc(out)
	}
	_, err := io.WriteString(out, text)
	return err
}

// IsRequest reports whether args, the first of which is the program's name, are a question of a script.
func IsRequest(args []string) bool {
	return len(args) > 1 && (args[1] == cobra.ShellCompRequestCmd || args[1] == cobra.ShellCompNoDescRequestCmd)
}

// Answer has root answer a question of a script: a line for each word that is offered, what it is behind a tab, and in the last
// line a colon and a number of cobra's ShellCompDirective.
func Answer(ctx context.Context, root *cobra.Command, args []string, out io.Writer) error {
	words, before := detach(args[1:])
	typed := words[len(words)-1]
	var text bytes.Buffer
	root.SetArgs(words)
	root.SetOut(&text)
	root.SetErr(io.Discard)
	if err := root.ExecuteContext(ctx); err != nil {
		return err
	}
	for line := range strings.Lines(text.String()) {
		line = strings.TrimSuffix(line, "\n")
		word, about, _ := strings.Cut(line, "\t")
		switch {
		case strings.HasPrefix(line, ":"):
			fmt.Fprintln(out, line)
		case isPlain(word) && (word[0] != '-' || strings.HasPrefix(typed, "-")):
			fmt.Fprintln(out, strings.TrimRight(before+word+"\t"+describe(about), "\t"))
		}
	}
	return nil
}

// detach splits an option that has its argument in the same word, as cobra's completion wants it, and returns what the words that
// are offered have to begin with.
func detach(words []string) (split []string, before string) {
	last := len(words) - 1
	word := words[last]
	if name, _, found := strings.Cut(word, "="); found && strings.HasPrefix(word, "--") {
		return words, name + "="
	}
	if len(word) < 3 || word[0] != '-' || word[1] == '-' {
		return words, ""
	}
	if takes, _ := sshflag.TakesValue(word[1]); !takes {
		return words, ""
	}
	return append(append([]string{}, words[:last]...), word[:2], word[2:]), word[:2]
}

// isPlain reports whether no shell takes word for anything but one word.
func isPlain(word string) bool {
	return word != "" && strings.IndexFunc(word, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_.:=@%+,/^-", r)
	}) < 0
}

// describe makes the description of a word a line without the quotes that Markdown wants.
func describe(text string) string {
	return strings.ReplaceAll(foreign.Line(text).String(), "`", "")
}
