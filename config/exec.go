package config

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"time"

	"github.com/tunneld/tunneld/config/procgroup"
)

// execLimit is how long a command of "Match exec" may take.
const execLimit = 10 * time.Second

// exec runs the command of "Match exec" unless an earlier criterion has failed. Only files that nobody else can write to
// may name commands.
func (c *condition) exec(argument string) (bool, string, *Error) {
	if _, err := c.r.matchedHost(); err != nil {
		return false, "", c.fail("HostName %q: %v", c.r.doc.value("HostName"), err)
	}
	command, err := expand(argument, c.r.matchTokens(), nil)
	if err != nil {
		return false, "", c.fail("exec %q: %v", argument, err)
	}
	if !c.holds || c.file.never {
		return true, "", nil
	}
	if !c.file.checked {
		return false, "", c.fail("exec %q is not run: others can write to %s", argument, c.file.path)
	}
	status, err := c.r.status(command)
	if err != nil {
		failure := c.fail("exec %q: %v", command, err)
		if errors.Is(err, fs.ErrNotExist) {
			failure.Hint = "an image without a shell cannot run commands: say the same by Match host or Match user"
		}
		return false, "", failure
	}
	return status == 0, fmt.Sprintf("exit status %d", status), nil
}

// status returns the exit status of a command, which others may have asked for as well.
func (r *resolver) status(command string) (int, error) {
	r.doc.trace.live = true
	if r.env.Exec == nil {
		return r.shell(r.ctx, command)
	}
	return r.env.Exec(r.ctx, command, func(ctx context.Context) (int, error) { return r.shell(ctx, command) })
}

// shell runs a command as ssh does: by $SHELL, without input, its output thrown away. It returns the exit status.
func (r *resolver) shell(running context.Context, command string) (int, error) {
	shell, ok := r.env.Getenv("SHELL")
	if !ok {
		shell = "/bin/sh"
	}
	if err := procgroup.CanRun(shell); err != nil {
		return 0, fmt.Errorf("the shell %q cannot be run: %w", shell, err)
	}
	ctx, cancel := context.WithTimeout(running, execLimit)
	defer cancel()
	cmd := procgroup.ByShell(ctx, shell, command, false)
	procgroup.Lead(cmd)
	cmd.Cancel = func() error { return procgroup.Kill(cmd) }
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil && running.Err() == nil:
		return 0, fmt.Errorf("it took longer than %v", execLimit)
	case errors.As(err, &exit) && exit.Exited():
		return exit.ExitCode(), nil
	}
	return 0, err
}

// hasAddressIn reports whether an interface of this machine that is up has an address in network.
func (r *resolver) hasAddressIn(network netip.Prefix) bool {
	r.doc.trace.live = true
	interfaces, err := net.Interfaces()
	if err != nil {
		return false
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		addresses, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addresses {
			prefix, err := netip.ParsePrefix(a.String())
			if err == nil && network.Contains(prefix.Addr()) {
				return true
			}
		}
	}
	return false
}

// localNetwork reports whether one of our addresses is in a list of networks.
func (c *condition) localNetwork(list string) (bool, string, *Error) {
	held := false
	for _, word := range strings.Split(list, ",") {
		network, err := parseNetwork(word)
		if err != nil {
			return false, "", c.fail("%q is not a network such as 192.168.0.0/16", word)
		}
		held = held || c.r.hasAddressIn(network)
	}
	return held, "no address of this machine is in it", nil
}

// parseNetwork reads a network whose host part is zero, or an address.
func parseNetwork(word string) (netip.Prefix, error) {
	if strings.Contains(word, "/") {
		network, err := netip.ParsePrefix(word)
		if err == nil && network != network.Masked() {
			err = errors.New("bits of the host are set")
		}
		return network, err
	}
	address, err := netip.ParseAddr(word)
	if err != nil {
		return netip.Prefix{}, err
	}
	return address.Prefix(address.BitLen())
}
