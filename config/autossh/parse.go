package autossh

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/config/sshflag"
)

// Version is what -V names; autossh's line is its name, a blank and this.
const Version = "1.4g"

// Parse reads autossh's arguments, of which the first is the name that it was called by, and its environment. getenv is as
// os.LookupEnv. An error is a *Refusal.
func Parse(args []string, getenv func(string) (string, bool)) (*Command, error) {
	c := &Command{Name: DefaultName}
	if len(args) > 0 {
		c.Name = cmp.Or(filepath.Base(args[0]), DefaultName)
		args = args[1:]
	}
	e := environment{getenv: getenv, command: c}
	if err := e.read(); err != nil {
		return nil, err
	}
	p := parser{command: c}
	err := p.words(args)
	switch {
	case p.version:
		return &Command{Name: c.Name, Version: true}, nil
	case err != nil:
		return nil, err
	case c.Destination == "":
		return nil, &Refusal{Usage: true}
	}
	if err := c.Monitor.read(cmp.Or(p.monitor, monitorSpec{e.port, e.port != ""})); err != nil {
		return nil, err
	}
	c.Startup = append(c.Startup, c.Settings.settle(c.Background, c.Monitor)...)
	return c, nil
}

// DefaultName is the program's name where nobody called it by another.
const DefaultName = "autossh"

// Refusal is why autossh does not start. Its exit code is 1.
type Refusal struct {
	Text  string // as autossh has it, where it says anything; one line
	Usage bool   // the usage follows on standard error
	Hint  string // what to do; may be empty
}

func (r *Refusal) Error() string { return cmp.Or(r.Text, "usage") }

func refuse(format string, args ...any) *Refusal { return &Refusal{Text: fmt.Sprintf(format, args...)} }

// parser goes through the words as ssh does: options, the destination, options, the remote command. The first "--" before the
// command ends autossh's own options and nothing else, as in autossh: behind it -M and -V are ssh's.
type parser struct {
	command *Command
	theirs  bool        // autossh's own options have ended
	monitor monitorSpec // the last -M
	version bool
}

// monitorSpec is the argument of -M; given tells an empty one from none.
type monitorSpec struct {
	text  string
	given bool
}

func (p *parser) words(words []string) error {
	for {
		words = skipEmpty(words)
		flags, rest, ended, err := sshflag.Read(words, p.takes)
		if refusal := p.takeAll(flags); refusal != nil {
			return refusal
		}
		var wrong *sshflag.Error
		if errors.As(err, &wrong) {
			return unreadable(wrong)
		}
		words = skipEmpty(rest)
		switch {
		case p.version:
			return nil
		case ended && !p.theirs:
			p.theirs = true
			continue
		case len(words) == 0:
			return nil
		case p.command.Destination != "":
			p.command.RemoteCommand = rest
			return nil
		}
		p.command.Destination, words = words[0], words[1:]
		p.command.FlagsBefore = len(p.command.Flags)
		if ended {
			p.command.RemoteCommand = words
			return nil
		}
	}
}

// skipEmpty drops empty words where an option or the destination could stand: autossh never passes them on, and scripts rely
// on it ("$OPTIONS" in quotes).
func skipEmpty(words []string) []string {
	for len(words) > 0 && words[0] == "" {
		words = words[1:]
	}
	return words
}

// takes says which options have an argument: autossh's own -M does, ssh's does not.
func (p *parser) takes(letter byte) (takes, known bool) {
	if letter == 'M' && !p.theirs {
		return true, true
	}
	return sshflag.TakesValue(letter)
}

// unreadable is the refusal of getopt(3), which autossh uses.
func unreadable(e *sshflag.Error) *Refusal {
	wrong := "invalid option"
	if e.Missing {
		wrong = "option requires an argument"
	}
	return &Refusal{Text: fmt.Sprintf("%s -- '%s'", wrong, foreign.Own(string(rune(e.Letter)))), Usage: true}
}

func (p *parser) takeAll(flags []sshflag.Flag) *Refusal {
	for _, f := range flags {
		if f.Letter == 'V' {
			p.version = true
			return nil
		}
		if refusal := p.take(f); refusal != nil {
			return refusal
		}
	}
	return nil
}

// take sorts one option into what autossh does, what the session is, and what goes on to ssh_config's options.
func (p *parser) take(f sshflag.Flag) *Refusal {
	c := p.command
	if why, ok := impossible[f.Letter]; ok {
		return &Refusal{Text: fmt.Sprintf("-%c: %s", f.Letter, why.text), Hint: why.hint}
	}
	if why, ok := unhonoured[f.Letter]; ok {
		c.Warnings = append(c.Warnings, fmt.Sprintf("-%c: %s", f.Letter, why))
		return nil
	}
	switch f.Letter {
	case 'M':
		if !p.theirs {
			p.monitor = monitorSpec{f.Value, true}
			return nil
		}
	case 'f':
		c.Background = true
		return nil
	case '2':
		return nil
	case 'E':
		c.SSHLog.File = f.Value
		return nil
	case 'y':
		c.SSHLog.Syslog = true
		return nil
	}
	c.Flags = append(c.Flags, config.Flag(f))
	return nil
}

// reason is why an option cannot be honoured, and what to do.
type reason struct{ text, hint string }

// impossible are options without which the rest would not be what was asked for.
var impossible = map[byte]reason{
	'w': {"a tun device cannot be opened: tunneld forwards TCP ports and Unix sockets", "use WireGuard or `ssh -w` for a device; for single services -L, -R or -D"},
	'G': {"prints a configuration and opens nothing", "type `tunneld config HOST`"},
	'O': {"asks a running master and opens nothing", "type `ssh -O ...`, or `tunneld status`, `tunneld forward` and `tunneld down` for a tunnel of tunneld"},
	'Q': {"lists algorithms and opens nothing", "type `ssh -Q ...`"},
}

// unhonoured are options that the rest works without.
var unhonoured = map[byte]string{
	'1': "version 1 of the SSH protocol is in no ssh any more; version 2 is used",
	'X': "X11 is not forwarded; use `ssh -X` for programs with windows",
	'Y': "X11 is not forwarded; use `ssh -Y` for programs with windows",
}
