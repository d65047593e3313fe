package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/cmd/tunneld/connect"
	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/cmd/tunneld/rundir"
	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel"
)

// exitNotConnected is the exit code of `connect` where there is no connection, or where it was cut: ssh's own.
const exitNotConnected = 255

func connectCommand() *cobra.Command {
	var fdpass bool
	cmd := &cobra.Command{
		Use:   "connect NAME HOST PORT",
		Short: "Standard input and output through a running tunnel",
		Long: `Joins standard input and output and a connection from the tunnel's server to HOST:PORT, or to the Unix socket that an
absolute path names in place of both. It is for the ProxyCommand of ssh_config:

  Host *.intern
      ProxyCommand tunneld connect bastion %h %p
      ProxyUseFdpass yes

With ProxyUseFdpass, which may be left out, ssh is handed the socket itself and no process stays in between. On Linux it is
found out that ssh waits for one: it has given a pair of sockets for both, and is OpenSSH's. --fdpass says so everywhere, and
has to be left out, or --fdpass=false, without ProxyUseFdpass.

In an outage it waits as the client of a forward does (TunneldHold). Exit code 0 at the end of the connection; 255 where there
is none or it was cut, with the reason on standard error.`,
		Args: func(cmd *cobra.Command, words []string) error {
			if _, err := connect.Target(words[min(1, len(words)):]); err != nil {
				return exit.UsageError(cmd, err)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, words []string) error {
			target, err := connect.Target(words[min(1, len(words)):])
			if err != nil {
				return err
			}
			pass := connect.Wanted(os.Stdin, os.Stdout)
			if cmd.Flags().Changed("fdpass") {
				pass = fdpass
			}
			return notConnected(runConnect(cmd.Context(), words[0], target, pass))
		},
		ValidArgsFunction: completeOneRunning,
	}
	cmd.Flags().BoolVar(&fdpass, "fdpass", false, "hand the socket itself to the other end of standard output (default: where ssh waits for one)")
	return cmd
}

// notConnected gives every error the code that ssh has for it.
func notConnected(err error) error {
	if err == nil {
		return nil
	}
	var all []error
	for _, one := range exit.Flatten(err) {
		if one != nil {
			all = append(all, &exit.Error{Code: exitNotConnected, Err: one, Hint: exit.HintOf(one)})
		}
	}
	return errors.Join(all...)
}

func runConnect(ctx context.Context, name string, target config.Endpoint, pass bool) error {
	chosen, err := selectOne(ctx, name)
	if err != nil {
		return err
	}
	raw, err := rundir.DialSocket(ctx, chosen.instance.socket)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer raw.Close()
	conn, ok := raw.(*net.UnixConn)
	if !ok {
		return fmt.Errorf("%s: %s is no Unix socket", name, chosen.instance.socket)
	}
	name = chosen.names[0]
	if err := connect.Ask(ctx, conn, connect.Query(name, target)); err != nil {
		return fmt.Errorf("%s: %w", name, refusalOf(err))
	}
	if pass {
		err := connect.Pass(conn, os.Stdout)
		if errors.Is(err, connect.ErrNoSocket) {
			err = &exit.Error{Code: exitNotConnected, Err: fmt.Errorf("--fdpass: %w", err), Hint: "write ProxyUseFdpass yes beside the ProxyCommand, or take --fdpass away"}
		}
		return err
	}
	if err := connect.Pipe(conn, os.Stdin, os.Stdout); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// refusalOf returns what the daemon said, where it has.
func refusalOf(err error) error {
	var refused *connect.RefusedError
	if !errors.As(err, &refused) {
		return foreign.Error(err)
	}
	var answer controlAnswer
	if json.Unmarshal(refused.Body, &answer) != nil || len(answer.Results) != 1 || answer.Results[0].Error == "" {
		return foreign.Error(err)
	}
	foreign.Strings(&answer)
	return &exit.Error{Code: exitNotConnected, Err: errors.New(answer.Results[0].Error), Hint: answer.Results[0].Hint}
}

// serveConnect answers POST /connect: it opens a connection to the target, and the bytes of it are what follows.
func (p *process) serveConnect(w http.ResponseWriter, req *http.Request) {
	began, query := time.Now(), req.URL.Query()
	refuse := func(name string, status int, err error) {
		answerJSON(w, status, controlAnswer{[]controlResult{newResult(name, began, err)}})
	}
	target, err := connect.Asked(query)
	if err != nil {
		refuse("", http.StatusBadRequest, err)
		return
	}
	r, err := p.oneNamed(query["tunnel"])
	if err != nil {
		refuse("", http.StatusNotFound, err)
		return
	}
	direct, err := r.tunnel.Direct(req.Context(), target)
	if err != nil {
		r.log.Debug("connection for a program refused", "target", targetText(target), "err", err)
		refuse(r.name, http.StatusBadGateway, openFailure(target, err))
		return
	}
	conn, err := connect.Accept(w)
	if err != nil {
		direct.Close()
		r.log.Debug("connection for a program not handed over", "err", err)
		return
	}
	p.tasks.Go(func() { r.tunnel.Carry(direct, conn) })
}

func targetText(e config.Endpoint) foreign.Text {
	return foreign.Line(tunnel.Target(config.Forward{Target: e}))
}

// openFailure words a refusal by the server as ssh does.
func openFailure(target config.Endpoint, err error) error {
	var refused *ssh.OpenChannelError
	if !errors.As(err, &refused) {
		return fmt.Errorf("%s: %w", targetText(target), err)
	}
	text := refused.Reason.String()
	if refused.Message != "" {
		text += ": " + refused.Message
	}
	return fmt.Errorf("%s: open failed: %s", targetText(target), text)
}
