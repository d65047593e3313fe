package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tunneld/tunneld/cmd/tunneld/background"
	"github.com/tunneld/tunneld/cmd/tunneld/complete"
	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/cmd/tunneld/follow"
	"github.com/tunneld/tunneld/cmd/tunneld/output"
	"github.com/tunneld/tunneld/cmd/tunneld/pid1"
	"github.com/tunneld/tunneld/cmd/tunneld/prompt"
	"github.com/tunneld/tunneld/cmd/tunneld/signals"
	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/config/quiet"
)

// upFlags are the flags of `tunneld up` besides those of ssh(1).
type upFlags struct {
	ssh     sshFlags
	log     output.Flags
	name    string // of the one tunnel; empty: the alias
	listen  string // host:port of the HTTP server; empty: none
	pidFile string // empty: none
}

func upCommand() *cobra.Command {
	var flags upFlags
	cmd := &cobra.Command{
		Use:   "up ALIAS... [ssh options]",
		Short: "Run the tunnels of these aliases until told to stop",
		Long: `Runs the tunnels of these ssh_config aliases in the foreground until told to stop. ALIAS may be user@host,
ssh://user@host:port, any host, or a quoted pattern ('sshproxy-*') for all aliases that match.

With -f it goes into the background once the local ports are bound and the first attempt to connect is over, or takes
long; what has to be asked is asked before.

SIGTERM and SIGINT stop it (another one at once: a SIGTERM, if it comes a second or more later), SIGHUP re-reads the
configuration, SIGUSR1 reconnects.
Closing its terminal ends it as it ends ssh, unless nohup(1) or setsid(1) has started it.
Exit codes: 0 asked to stop, 1 gave up, 2 usage, configuration or a local port, 3 refused: host key, authentication,
no common algorithm.`,
		RunE: func(cmd *cobra.Command, aliases []string) error {
			if len(aliases) == 0 {
				return whichAlias(&flags.ssh)
			}
			return up(cmd, &flags, aliases)
		},
	}
	cmd.ValidArgsFunction = completeAlias(&flags.ssh, 0)
	flags.ssh.register(cmd)
	set := cmd.Flags()
	set.StringVar(&flags.name, "name", "", "name of the tunnel in status, logs and the control socket (one ALIAS)")
	set.StringVar(&flags.log.Format, "log-format", "", "text or json (default text, coloured on a terminal)")
	set.StringVar(&flags.log.Level, "log-level", "", "error, warn, info or debug (default: as LogLevel, -q and -v say)")
	set.StringVar(&flags.listen, "listen", "", "`ADDR` of the HTTP server with /status, /metrics, /livez, /readyz; off by default")
	set.StringVar(&flags.pidFile, "pidfile", "", "`FILE` that holds the process ID while it runs")
	offerFor(cmd, "log-level", complete.Words(output.Levels()...))
	offerFor(cmd, "log-format", complete.Words("text", "json"))
	offerFor(cmd, "name", cobra.NoFileCompletions)
	offerFor(cmd, "listen", cobra.NoFileCompletions)
	return cmd
}

// whichAlias says what can be typed behind `up`: for many it is the first thing that they try.
func whichAlias(ssh *sshFlags) error {
	e := &exit.Error{Code: exit.Usage, Err: errors.New("which alias? `tunneld up ALIAS`")}
	environment, err := config.CurrentEnvironment()
	if err != nil {
		return err
	}
	known, err := ssh.known(environment)
	switch {
	case err != nil:
		return err
	case len(known) > 0:
		e.Hint = "ssh_config knows " + some(known)
	default:
		e.Hint = "ssh_config names no hosts yet; nothing is needed there for `tunneld up bob@host -D 1080` or `-L 8080:localhost:80`,\n" +
			"and to keep it, put this into ~/.ssh/config and type `tunneld up proxy`:\n" +
			"  Host proxy\n    HostName host\n    User bob\n    DynamicForward 1080"
	}
	return e
}

// mostNames is how many names are listed in a message.
const mostNames = 12

func some(names []string) string {
	if len(names) > mostNames {
		return strings.Join(names[:mostNames], ", ") + fmt.Sprintf(" and %d more", len(names)-mostNames)
	}
	return strings.Join(names, ", ")
}

func up(cmd *cobra.Command, flags *upFlags, aliases []string) error {
	signals.OutliveLogReader()
	var first *background.First
	if _, ok := flags.ssh.last('f'); ok {
		if first = background.Second(); first == nil {
			return goBackground(cmd)
		}
		background.Rename(filepath.Base(os.Args[0]))
	}
	log, err := flags.ssh.openLog(cmd.ErrOrStderr(), flags.log)
	if err != nil {
		return err
	}
	defer pid1.Reap(log.Logger)()
	read := func(ctx context.Context) ([]tunnelPlan, error) { return plan(ctx, &flags.ssh, aliases, flags.name) }
	p := newProcess(log.Logger, read, prompt.New(log.Screen))
	p.follow = func(plans []tunnelPlan) { log.Adopt(logLevelsOf(plans)) }
	if log.Fixed {
		p.unheard = []string{"LogLevel"}
	}
	if log.JSON {
		p.dump = func(stacks string) { log.Debug("goroutines", "stacks", stacks) }
	}
	p.endpoints = endpoints{listen: flags.listen, pidFile: flags.pidFile}
	if first != nil {
		p.departure = &departure{first, log}
	}
	return log.End(p.run(cmd.Context()))
}

// openLog opens the log as -v, -q, -E, -y and flags say.
func (f *sshFlags) openLog(stderr io.Writer, flags output.Flags) (*output.Log, error) {
	o := output.Options{Flags: flags, Verbose: f.verbose() > 0}
	if path, named := f.last('E'); named {
		o.File = &path
	}
	_, o.Quiet = f.last('q')
	_, o.Syslog = f.last('y')
	return output.Open(stderr, o)
}

func logLevelsOf(plans []tunnelPlan) (levels []string) {
	for _, plan := range plans {
		levels = append(levels, plan.options.Session.LogLevel)
	}
	return levels
}

// tunnelPlan is one tunnel to run.
type tunnelPlan struct {
	name    string
	options *config.Options
	resolve follow.Resolve // options anew; nil: they stay
	alone   bool           // the command line names this host and no other
	loose   bool           // it may have another name where its own is taken: it is that of a host and no alias
}

// rename gives the plan the first name that is not taken, where it may have another than its own.
func (p *tunnelPlan) rename(taken func(name string) bool) {
	own := p.name
	for n := 2; p.loose && taken(p.name); n++ {
		p.name = fmt.Sprintf("%s-%d", own, n)
	}
}

// plan resolves what was typed. Every error in it is reported, not only the first.
func plan(ctx context.Context, ssh *sshFlags, typed []string, name string) ([]tunnelPlan, error) {
	environment, err := config.CurrentEnvironment()
	if err != nil {
		return nil, err
	}
	aliases, err := expand(environment, ssh, typed)
	if err != nil {
		return nil, err
	}
	if foreign.Line(name).String() != name {
		return nil, &exit.Error{Code: exit.Usage, Err: fmt.Errorf("--name %q: a name is one line of printable characters", name)}
	}
	if name != "" && len(aliases) > 1 {
		return nil, &exit.Error{Code: exit.Usage, Err: errors.New("--name goes with one alias only")}
	}
	known, _ := ssh.known(environment) // of a file that cannot be read, none
	var plans []tunnelPlan
	var failures []error
	var read quiet.Lines
	for _, alias := range aliases {
		p, err := planOne(ctx, environment, ssh, alias, &read)
		failures = append(failures, err)
		p.resolve = func(ctx context.Context, environment config.Environment) (*config.Options, error) {
			now, err := planOne(ctx, environment, ssh, alias, &read)
			return now.options, err
		}
		p.loose = name == "" && !slices.Contains(known, alias)
		p.alone = len(typed) == 1 && aliases[0] == typed[0] // and it is no pattern, which may match others tomorrow
		plans = append(plans, p)
	}
	if name != "" {
		plans[0].name = name
	}
	return plans, exit.Join(failures...)
}

func planOne(ctx context.Context, environment config.Environment, ssh *sshFlags, alias string, read *quiet.Lines) (tunnelPlan, error) {
	request := ssh.request(environment, alias)
	request.Quiet = read
	o, err := config.Resolve(ctx, request)
	if err != nil {
		return tunnelPlan{}, err
	}
	if host, port, ok := hostAndPort(o); ok {
		return tunnelPlan{}, &config.Error{
			Text: fmt.Sprintf("%s: %q is no host name: ssh takes no port behind a colon", o.Alias, o.HostName),
			Hint: fmt.Sprintf("did you mean %s -p %s?", strings.Replace(alias, o.HostName, host, 1), port),
		}
	}
	if len(o.Forwards) == 0 && !o.Master.Listens() {
		return tunnelPlan{}, nothingToForward(environment, ssh, o)
	}
	return tunnelPlan{name: foreign.Line(alias).String(), options: o}, nil
}

// hostAndPort returns the parts of host:port, which many write where ssh takes a host. A ProxyCommand may know better.
func hostAndPort(o *config.Options) (host, port string, ok bool) {
	host, port, ok = strings.Cut(o.HostName, ":")
	number, err := strconv.ParseUint(port, 10, 16)
	return host, port, ok && host != "" && err == nil && number > 0 && o.ProxyCommand == ""
}

// expand replaces patterns by the aliases of ssh_config that match.
func expand(environment config.Environment, ssh *sshFlags, typed []string) ([]string, error) {
	var list []string
	for _, word := range typed {
		if !strings.ContainsAny(word, "*?") {
			list = append(list, word)
			continue
		}
		known, err := ssh.known(environment)
		if err != nil {
			return nil, err
		}
		matching := slices.DeleteFunc(known, func(alias string) bool {
			ok, err := filepath.Match(word, alias)
			return !ok || err != nil
		})
		if len(matching) == 0 {
			return nil, &exit.Error{Code: exit.Usage, Err: fmt.Errorf("no alias in ssh_config matches %q", word)}
		}
		list = append(list, matching...)
	}
	return unique(list), nil
}

// unique leaves the first of each word: the order in which they were typed is kept.
func unique(list []string) []string {
	var kept []string
	for _, word := range list {
		if !slices.Contains(kept, word) {
			kept = append(kept, word)
		}
	}
	return kept
}

// file returns the argument of the last -F, which is the one that counts, or "".
func (f *sshFlags) file() string {
	file, _ := f.last('F')
	return file
}

// nothingToForward says why there is no work: the alias is unknown, or it has no forwards.
func nothingToForward(environment config.Environment, ssh *sshFlags, o *config.Options) error {
	switch {
	case o.ClearAllForwardings:
		return &config.Error{
			Text: fmt.Sprintf("%s: nothing to forward: ClearAllForwardings yes (%s) removes every forward", o.Alias, o.Source("clearallforwardings")),
			Hint: "take it out, or set it to no for this alias",
		}
	case o.Matched:
		return &config.Error{
			Text: fmt.Sprintf("%s: nothing to forward: the alias has no LocalForward, RemoteForward or DynamicForward", o.Alias),
			Hint: fmt.Sprintf("add one to its Host block, or type one: `tunneld up %s -D 1080`", o.Alias),
		}
	}
	if len(o.Unread) > 0 {
		return &config.Error{
			Text: fmt.Sprintf("%s: nothing to forward, and no -L, -R or -D was given: %v", o.Alias, o.Unread[0]),
			Hint: o.Unread[0].Hint,
		}
	}
	e := &config.Error{
		Text: fmt.Sprintf("%s: nothing to forward: no Host block matches the alias, and no -L, -R or -D was given", o.Alias),
		Hint: fmt.Sprintf("type a forward: `tunneld up %s -D 1080`, or add a Host block with one to %s", o.Alias, cmp.Or(ssh.file(), environment.UserFile)),
	}
	if o.Account.Service {
		e.Hint = fmt.Sprintf("add a Host block with one to %s: the service runs as %s, and reads no other user's", environment.UserFile, o.Account)
	}
	if known, err := ssh.known(environment); err == nil {
		if near := config.Nearest(o.Alias, known); near != "" {
			e.Hint = fmt.Sprintf("did you mean %s?", near)
		}
	}
	return e
}
