package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/sshflag"
)

// sshFlags collects the options of ssh(1) in the order in which they were typed, because ssh's rule is that the first
// value wins.
type sshFlags struct {
	given  []config.Flag
	before int // how many of them stood before the first ALIAS
}

// request asks for alias as it was typed.
func (f *sshFlags) request(environment config.Environment, alias string) config.Request {
	return config.Request{Destination: alias, Flags: f.given, FlagsBefore: f.before, Environment: environment}
}

// sshFlagLetters are the options of ssh(1) that a tunnel takes.
const sshFlagLetters = "LRDFiJlpobBcmPg46CqvNnTakxXyAtYMS"

// sshFlagsHelp stands in the help of each command that takes them.
const sshFlagsHelp = `
Options of ssh(1), before or after ALIAS:
  -L -R -D   forwards           -F FILE    configuration file    -o KEY=VALUE
  -i FILE    identity file      -l USER    -p PORT               -J JUMP
  -M -S PATH for ssh, scp and others to ride on the connection (ControlMaster, ControlPath)
  -b ADDR -B IFACE -c CIPHERS -m MACS -P TAG -g -4 -6 -C -q -v   (-N -n -T change nothing)`

// register makes cmd take ssh's options.
func (f *sshFlags) register(cmd *cobra.Command) {
	for _, letter := range []byte(sshFlagLetters) {
		alone := "yes"
		if takes, _ := sshflag.TakesValue(letter); takes {
			alone = ""
		}
		f.flag(cmd.Flags(), letter, alone)
	}
	cmd.Long += "\n" + sshFlagsHelp
}

func (f *sshFlags) flag(set *pflag.FlagSet, letter byte, alone string) {
	flag := set.VarPF(&sshFlag{f, set, letter, alone != ""}, "ssh-"+string(rune(letter)), string(rune(letter)), "")
	flag.NoOptDefVal = alone
	flag.Hidden = true
}

// sshFlag is one letter; all of them write to the same list.
type sshFlag struct {
	list   *sshFlags
	set    *pflag.FlagSet // knows which words have been read so far
	letter byte
	alone  bool
}

func (f *sshFlag) String() string { return "" }
func (f *sshFlag) Type() string   { return "string" }

func (f *sshFlag) Set(value string) error {
	if f.alone {
		value = ""
	}
	f.list.given = append(f.list.given, config.Flag{Letter: f.letter, Value: value})
	if f.set.NArg() == 0 {
		f.list.before = len(f.list.given)
	}
	return nil
}

// verbose counts -v.
func (f *sshFlags) verbose() int {
	n := 0
	for _, flag := range f.given {
		if flag.Letter == 'v' {
			n++
		}
	}
	return n
}
