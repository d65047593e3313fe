package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/cmd/tunneld/follow"
	"github.com/tunneld/tunneld/cmd/tunneld/output"
	"github.com/tunneld/tunneld/cmd/tunneld/prompt"
	"github.com/tunneld/tunneld/cmd/tunneld/systemd"
	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel"
	"github.com/tunneld/tunneld/tunnel/fault"
	"github.com/tunneld/tunneld/tunnel/sshconn"
)

// Limits on what a check waits for, beyond ConnectTimeout.
const (
	checkForwardTime = 15 * time.Second // for the server's answer to all -R
	checkProbeTime   = 15 * time.Second // for an answer to each probe
)

func checkCommand() *cobra.Command {
	var flags sshFlags
	cmd := &cobra.Command{
		Use:   "check ALIAS... [ssh options]",
		Short: "Try each step of a tunnel once: where it fails, and what to do",
		Long: `Goes through configuration, name look-up, TCP, key exchange, host key, authentication, each forward, the target of
each -L, keepalive and echo once, each with its time. Ports are bound and asked for, and given back at once; those that a
running tunneld holds for this alias are left alone. Several aliases, or a quoted pattern, are checked one after the other.

Exit codes are those of "up": 0 all good, 1 not healthy, 2 configuration or a local port, 3 refused.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			log, screen := slog.New(slog.DiscardHandler), (*prompt.Screen)(nil)
			if flags.verbose() > 0 {
				opened, err := flags.openLog(cmd.ErrOrStderr(), output.Flags{})
				if err != nil {
					return err
				}
				log, screen = opened.Logger, opened.Screen
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			context.AfterFunc(ctx, stop) // another signal ends it at once, also where a file system does not answer
			return eachAlias(cmd, &flags, args, func(alias string) error {
				c := &checker{out: cmd.OutOrStdout(), log: log, ask: prompt.New(screen)}
				return c.run(ctx, &flags, alias)
			})
		},
		ValidArgsFunction: completeAlias(&flags, 0),
	}
	flags.register(cmd)
	return cmd
}

// checker prints a line for each step, with the advice below it where it failed.
type checker struct {
	out      io.Writer
	log      *slog.Logger
	ask      sshconn.Asker // nil: nobody can be asked
	failures []error
}

// step prints the line of one step, with a hint below it where it failed, and keeps the failure for verdict.
func (c *checker) step(name string, took time.Duration, detail string, err error) {
	verdict := "ok"
	if err != nil {
		verdict, detail = "FAIL", err.Error()
		c.failures = append(c.failures, err)
	}
	fmt.Fprintf(c.out, "%-4s  %-15s %9s  %s\n", verdict, name, millis(took), systemd.OneLine(detail))
	if hint := exit.HintOf(err); err != nil && hint != "" {
		fmt.Fprintf(c.out, "      hint: %s\n", hint)
	}
}

// skip is a step that does not apply.
func (c *checker) skip(name, why string) {
	fmt.Fprintf(c.out, "%-4s  %-15s %9s  %s\n", "-", name, "", why)
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// verdict is the end: everything has been said.
func (c *checker) verdict() error {
	if len(c.failures) == 0 {
		return nil
	}
	code := exit.GaveUp
	for _, err := range c.failures {
		code = max(code, exit.Code(err))
	}
	return &exit.Error{Code: code}
}

func (c *checker) run(ctx context.Context, flags *sshFlags, alias string) error {
	o := c.config(ctx, flags, alias)
	if o == nil {
		return c.verdict()
	}
	held := heldForwards(ctx, o.Alias)
	dialer := newDialer(c.ask, c.log, true)
	dialer.Trace = c.trace(o)

	asked := *o // the -R forwards that are to be asked for
	asked.ExitOnForwardFailure = false
	asked.Forwards = slices.DeleteFunc(slices.Clone(o.Forwards), func(f config.Forward) bool {
		return f.Kind != config.Remote || held[tunnel.Spec(f)] != 0
	})
	t := tunnel.New(&asked, dialer, c.log)
	session, err := t.Connect(ctx)
	if err != nil {
		c.unseen(err)
		return c.verdict()
	}
	for _, f := range o.Forwards {
		if pid := held[tunnel.Spec(f)]; pid != 0 {
			c.step(stepOf(f), 0, fmt.Sprintf("%s held by the running tunneld (process %d)", tunnel.Spec(f), pid), nil)
		} else if f.Kind != config.Remote {
			c.local(ctx, o, f)
		}
	}
	c.remote(ctx, t, session)
	c.targets(ctx, o, session)
	c.probes(ctx, o, session)
	t.Close()
	return c.verdict()
}

// config resolves the alias; nil: it could not be.
func (c *checker) config(ctx context.Context, flags *sshFlags, alias string) *config.Options {
	began := time.Now()
	environment, err := config.CurrentEnvironment()
	var p tunnelPlan
	if err == nil {
		read := func(ctx context.Context) (tunnelPlan, error) { return planOne(ctx, environment, flags, alias, nil) }
		p, err = follow.Unheld(read)(ctx)
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx) // which names the signal
	}
	if err != nil {
		for _, one := range exit.Flatten(err) {
			c.step("config", time.Since(began), "", one)
		}
		return nil
	}
	o := p.options
	c.step("config", time.Since(began), fmt.Sprintf("%s@%s, %s", o.User, o.Address(), fault.Count(len(o.Forwards), "forward")), nil)
	for _, w := range o.Warnings {
		if w.Loss && ofSessions[w.Keyword] {
			continue
		}
		fmt.Fprintf(c.out, "      note: %s (%s)\n", w.Text, w.Source)
	}
	return o
}

// trace prints what the dialer does; the host where it is not the destination.
func (c *checker) trace(o *config.Options) func(sshconn.Step) {
	destination := fmt.Sprintf("%s@%s", o.User, o.Address())
	return func(s sshconn.Step) {
		detail := s.Detail
		if s.Host != destination && s.Err == nil {
			detail += " (at " + s.Host + ")"
		}
		c.step(s.Name, s.Took, detail, s.Err)
	}
}

// unseen prints an error that no step has told of.
func (c *checker) unseen(err error) {
	for _, seen := range c.failures {
		if errors.Is(err, seen) {
			return
		}
	}
	if len(c.failures) == 0 {
		c.step("connect", 0, "", err)
	}
}

// probes asks for what tells later whether the connection lives.
func (c *checker) probes(ctx context.Context, o *config.Options, session *tunnel.Session) {
	limited, cancel := context.WithTimeout(ctx, checkProbeTime)
	defer cancel()
	rtt, err := session.Keepalive(limited)
	c.step("keepalive", rtt, fmt.Sprintf("every %s; the connection counts as lost after %s without an answer", o.ServerAliveInterval, fault.Count(o.ServerAliveCountMax, "keepalive")), err)
	if o.Echo.Mode == config.EchoOff {
		c.skip("echo", "TunneldEcho off")
		return
	}
	limited, cancel = context.WithTimeout(ctx, checkProbeTime)
	defer cancel()
	rtt, err = session.Echo(limited)
	if errors.Is(err, errors.ErrUnsupported) {
		c.skip("echo", "this server does not allow the loop: keepalives alone have to tell")
		return
	}
	c.step("echo", rtt, "a nonce came back through the data path", err)
}

// heldForwards returns the forwards that running processes hold for an alias, and the number of the process.
func heldForwards(ctx context.Context, alias string) map[string]int {
	held := make(map[string]int)
	instances, _ := findInstances(ctx)
	for _, i := range instances {
		for _, s := range i.report.Tunnels {
			for _, f := range s.Forwards {
				if s.Alias == alias && f.State == tunnel.ForwardListening {
					held[f.Spec] = i.report.PID
				}
			}
		}
	}
	return held
}

// local binds a forward on this side and releases it. A socket file that is there is left alone.
func (c *checker) local(ctx context.Context, o *config.Options, f config.Forward) {
	name := stepOf(f)
	if f.Listen.IsUnix() && o.StreamLocalBindUnlink {
		if _, err := os.Lstat(f.Listen.Path); err == nil {
			c.step(name, 0, tunnel.Spec(f)+": the file is there and will be replaced", nil)
			return
		}
	}
	alone := *o
	alone.Forwards = []config.Forward{f}
	alone.ExitOnForwardFailure = true // one that is asked for again is not all good
	began := time.Now()
	t := tunnel.New(&alone, newDialer(nil, c.log, true), slog.New(slog.DiscardHandler))
	err := t.Listen(ctx, nil)
	c.step(name, time.Since(began), tunnel.Spec(f)+" can be bound", err)
	t.Close()
}

// stepOf returns the name of the step that is about a forward: "forward L".
func stepOf(f config.Forward) string { return "forward " + strings.TrimPrefix(f.Kind.Option(), "-") }

// targets opens each target of a -L once, as a client would.
func (c *checker) targets(ctx context.Context, o *config.Options, session *tunnel.Session) {
	for _, f := range o.Forwards {
		if f.Kind != config.Local && f.Kind != config.DNS {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, checkForwardTime)
		began := time.Now()
		err := session.Reach(limited, f.Target)
		cancel()
		if err != nil {
			err = &fault.Error{Phase: fault.PhaseForward, Err: err,
				Hint: "the host and port behind the local port are looked up and connected to by the server: does something listen there, and may the server reach it?"}
		}
		c.step("target", time.Since(began), "the server reaches "+tunnel.Target(f), err)
	}
}

// remote asks the server for the -R forwards of t, and prints what it says. They are given back by Shutdown.
func (c *checker) remote(ctx context.Context, t *tunnel.Tunnel, session *tunnel.Session) {
	if err := t.Listen(ctx, nil); err != nil {
		c.step("forward R", 0, "", err)
		return
	}
	began := time.Now()
	t.Join(session)
	ctx, cancel := context.WithTimeout(ctx, checkForwardTime)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	told := make(map[string]bool)
	for len(told) < len(t.Forwards()) {
		select {
		case <-tick.C:
		case <-session.Done():
			c.step("forward R", time.Since(began), "", session.Err())
			return
		case <-ctx.Done():
		}
		for _, f := range t.Forwards() {
			if told[f.Spec] || f.State == tunnel.ForwardAsking && ctx.Err() == nil {
				continue
			}
			told[f.Spec] = true
			c.remoteAnswer(f, time.Since(began))
		}
	}
}

// refusedHint says what to do about a port that the server does not listen on.
func refusedHint(why string) string {
	if why == tunnel.PrivilegedPort {
		return "choose a port from 1024 on, or have sshd's administrator allow it (net.ipv4.ip_unprivileged_port_start)"
	}
	return "another connection may hold the port, or sshd_config(5) AllowTcpForwarding, PermitListen or GatewayPorts forbid it; `tunneld up` asks again until it is granted"
}

func (c *checker) remoteAnswer(f tunnel.ForwardStatus, took time.Duration) {
	var err error
	switch f.State {
	case tunnel.ForwardAsking:
		err = &fault.Error{Phase: fault.PhaseForward, Err: fmt.Errorf("-R %s: the server does not answer", f.Spec)}
	case tunnel.ForwardFailed, tunnel.ForwardStandby:
		err = &fault.Error{Phase: fault.PhaseForward, Err: fmt.Errorf("-R %s: %s", f.Spec, f.LastError), Hint: refusedHint(f.LastError)}
	}
	c.step("forward R", took, fmt.Sprintf("-R %s is granted, bound to %s", f.Spec, strings.Join(f.Bound, " ")), err)
}
