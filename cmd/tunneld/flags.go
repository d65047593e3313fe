package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/sshflag"
)

// sshFlags collects the options of ssh(1) in the order in which they were typed, because ssh's rule is that the first
// value wins.
type sshFlags struct {
	given  []config.Flag
	before int         // how many of them stood before the first ALIAS
	once   config.Once // what -F names may come through a pipe
}

// request asks for alias as it was typed.
func (f *sshFlags) request(environment config.Environment, alias string) config.Request {
	environment.Once = &f.once
	return config.Request{Destination: alias, Flags: f.given, FlagsBefore: f.before, Environment: environment}
}

// known returns the aliases of the configuration.
func (f *sshFlags) known(environment config.Environment) ([]string, error) {
	environment.Once = &f.once
	return config.Aliases(environment, f.file())
}

// sshFlagLetters are the options of ssh(1) that a tunnel takes.
const sshFlagLetters = "LRDFiIJlpobBcmPg46CqvNnTakxyAtMSEf"

// sshFlagsHelp stands in the help of each command that takes them.
const sshFlagsHelp = `
Options of ssh(1), before or after ALIAS:
  -L -R -D   forwards           -F FILE    configuration file    -o KEY=VALUE
  -i FILE    identity file      -l USER    -p PORT               -J JUMP
  -M -S PATH for ssh, scp and others to ride on the connection (ControlMaster, ControlPath)
  -I LIBRARY keys of a PKCS#11 token                              -b ADDR -B IFACE -c CIPHERS -m MACS -P TAG
  -g -4 -6 -C -q -v -y   -E FILE   -f (up: into the background)
  (-N -n -T change nothing)`

// register makes cmd take ssh's options.
func (f *sshFlags) register(cmd *cobra.Command) {
	for _, letter := range []byte(sshFlagLetters) {
		alone := "yes"
		if takes, _ := sshflag.TakesValue(letter); takes {
			alone = ""
		}
		f.flag(cmd.Flags(), letter, alone)
	}
	for letter, instead := range foreignFlags {
		takes, _ := sshflag.TakesValue(letter)
		flag := cmd.Flags().VarPF(&foreignFlag{letter, instead}, "ssh-"+string(rune(letter)), string(rune(letter)), "")
		if flag.Hidden = true; !takes {
			flag.NoOptDefVal = "yes"
		}
	}
	cmd.Long += "\n" + sshFlagsHelp
	f.complete(cmd)
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

// foreignFlag is an option of ssh(1) that is refused.
type foreignFlag struct {
	letter byte
	use    instead
}

func (f *foreignFlag) String() string { return "" }

// Type is for pflag.Value.
func (f *foreignFlag) Type() string { return "string" }

// Set is for pflag.Value.
func (f *foreignFlag) Set(string) error {
	return &exit.Error{Code: exit.Usage, Err: fmt.Errorf("-%c: %s", f.letter, f.use.why), Hint: f.use.hint}
}

// instead is why an option has no meaning here, and what to type.
type instead struct{ why, hint string }

// foreignFlags are the options of ssh(1) that can have no meaning here.
var foreignFlags = map[byte]instead{
	'W': {"a tunnel has no standard input and output to pass on", "`ssh -W HOST:PORT ALIAS` does; with ControlMaster auto and ControlPath it rides on the tunnel's connection"},
	'w': {"tunneld forwards connections, no network packets: it opens no tun device", "`ssh -w` does; for TCP to any host behind the server type -D 1080"},
	'X': {"X11 belongs to a session, and a tunnel has none", "`ssh -X ALIAS`; with ControlMaster auto and ControlPath it rides on the tunnel's connection"},
	'Y': {"X11 belongs to a session, and a tunnel has none", "`ssh -Y ALIAS`; with ControlMaster auto and ControlPath it rides on the tunnel's connection"},
	's': {"a subsystem belongs to a session, and a tunnel has none", "`ssh -s ALIAS SUBSYSTEM`, or sftp"},
	'O': {"this speaks to ssh's own master", "`tunneld status`, `tunneld reconnect NAME` and `tunneld down NAME` speak to a running tunnel; `ssh -O check ALIAS` works where it has a ControlPath"},
	'Q': {"this lists what ssh knows", "`ssh -Q TYPE`; `tunneld config ALIAS` prints the algorithms that a tunnel offers"},
	'e': {"an escape character belongs to a terminal session, and a tunnel has none", "leave it out"},
	'G': {"this has a command of its own", "`tunneld config ALIAS`"},
	'K': {"GSSAPI is not spoken here", "leave it out, and log in with a key"},
}

// last returns the argument of an option where it stands last, and whether it was given.
func (f *sshFlags) last(letter byte) (value string, ok bool) {
	for _, flag := range f.given {
		if flag.Letter == letter {
			value, ok = flag.Value, true
		}
	}
	return value, ok
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
