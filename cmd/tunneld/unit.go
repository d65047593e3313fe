package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/cmd/tunneld/launchd"
	"github.com/tunneld/tunneld/cmd/tunneld/rundir"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// The units; deploy/systemd has links to them for those who package, because no embedded file can be a link.
var (
	//go:embed tunneld@.service
	systemUnit string
	//go:embed tunneld@.user.service
	userUnit string
)

// unitBinary is the path of tunneld in the embedded units.
const unitBinary = "/usr/bin/tunneld"

func unitCommand() *cobra.Command {
	var user bool
	var runAs, agent string
	cmd := &cobra.Command{
		Use:   "unit [--user | --run-as USER [ALIAS] | --launchd ALIAS]",
		Short: "Print the systemd unit tunneld@.service, or an agent of launchd",
		Long: `Prints the systemd template unit, with the path of this program in it:

  tunneld unit | sudo tee /etc/systemd/system/tunneld@.service
  sudo systemctl daemon-reload
  sudo systemctl enable --now tunneld@ALIAS

The system's unit runs as a user of its own, and says at its top where the aliases and keys of that user are. The one for
--user runs as you, with your ~/.ssh, and goes to ~/.config/systemd/user/tunneld@.service.

--run-as prints what lets one alias of the system's unit run as another user, with that user's ~/.ssh and directories of
its own:

  sudo mkdir -p /etc/systemd/system/tunneld@ALIAS.service.d
  tunneld unit --run-as USER ALIAS | sudo tee /etc/systemd/system/tunneld@ALIAS.service.d/run-as.conf
  sudo systemctl daemon-reload

--launchd prints an agent of macOS's launchd that runs the tunnels of ALIAS while you are logged in, and logs to ~/Library/Logs:

  tunneld unit --launchd ALIAS >~/Library/LaunchAgents/tunneld.ALIAS.plist
  launchctl bootstrap gui/$UID ~/Library/LaunchAgents/tunneld.ALIAS.plist`,
		Args: func(cmd *cobra.Command, args []string) error {
			if runAs != "" || len(args) == 0 {
				return cobra.MaximumNArgs(1)(cmd, args)
			}
			return &exit.Error{Code: exit.Usage, Err: fmt.Errorf("%q: the unit is one for all aliases, `tunneld unit` prints it", args[0]),
				Hint: fmt.Sprintf("`systemctl enable --now tunneld@%s` starts it for this one", fault.ShellQuote(args[0]))}
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("launchd") {
				return printAgent(cmd.OutOrStdout(), agent)
			}
			if cmd.Flags().Changed("run-as") {
				if user {
					return &exit.Error{Code: exit.Usage, Err: errRunAsAlone}
				}
				return printRunAs(cmd.OutOrStdout(), cmd.ErrOrStderr(), runAs, strings.Join(args, ""))
			}
			text := systemUnit
			if user {
				text = userUnit
			} else {
				warnReplaceable(cmd.ErrOrStderr())
			}
			_, err := fmt.Fprint(cmd.OutOrStdout(), strings.ReplaceAll(text, unitBinary, ownPath()))
			return err
		},
	}
	cmd.Flags().BoolVar(&user, "user", false, "the unit for your own service manager (systemctl --user)")
	cmd.Flags().StringVar(&agent, "launchd", "", "an agent of macOS's launchd that runs `ALIAS`")
	offerFor(cmd, "launchd", completeAlias(new(sshFlags), 0))
	cmd.Flags().StringVar(&runAs, "run-as", "", "a drop-in that runs the unit of one alias as `USER`")
	cmd.MarkFlagsMutuallyExclusive("launchd", "user")
	cmd.MarkFlagsMutuallyExclusive("launchd", "run-as")
	return cmd
}

// printAgent prints the agent of launchd for an alias.
func printAgent(out io.Writer, alias string) error {
	if alias == "" {
		return &exit.Error{Code: exit.Usage, Err: errors.New("--launchd: which alias?")}
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return err
	}
	_, err = out.Write(launchd.Agent{Program: program, Alias: alias, Home: home}.Plist())
	return err
}

// ownPath returns where this program is, in the form of systemd.service(5); that of a package where it cannot be told.
func ownPath() string {
	path, err := os.Executable()
	if err != nil || !filepath.IsAbs(path) {
		return unitBinary
	}
	return strings.NewReplacer("%", "%%", " ", `\x20`).Replace(path)
}

// warnReplaceable warns where others than root could replace this program, which the system's unit runs as root before each
// start (adopt).
func warnReplaceable(notes io.Writer) {
	path, err := os.Executable()
	if err != nil {
		return
	}
	if place := replaceable(path); place != "" {
		fmt.Fprintf(notes, "tunneld: %s can be changed by others than root, and the unit runs %s as root (adopt, before each start)\n"+
			"tunneld: hint: install it where only root may write, such as /usr/local/bin, and print the unit with that one\n", place, path)
	}
}

// replaceable returns the part of the path of a program that others than root can change; empty: there is none. A group that may
// write is taken for one of administrators, as Debian's staff is for /usr/local.
func replaceable(path string) string {
	for place := path; ; place = filepath.Dir(place) {
		info, err := os.Stat(place)
		if err != nil {
			return ""
		}
		shared := info.Mode().Perm()&0o002 != 0 && info.Mode()&os.ModeSticky == 0
		if rundir.OwnerOf(info) != 0 || shared {
			return place
		}
		if place == filepath.Dir(place) {
			return ""
		}
	}
}
