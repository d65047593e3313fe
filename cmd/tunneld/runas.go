package main

import (
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"io"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// runAsDropIn is printed by unit --run-as. @NAMES@ are filled in.
//
//go:embed run-as.conf
var runAsDropIn string

var (
	// userName is what useradd(8) lets be a name, and a user ID; a unit file can hold it as it is.
	userName = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9_.@-]*\$?$`)
	// instanceName is what may stand behind the @ of a unit's name (systemd.unit(5)).
	instanceName = regexp.MustCompile(`^[a-zA-Z0-9:_.\\@-]+$`)
)

// printRunAs prints the drop-in that lets the instance of an alias run as another user. An empty alias stands for any.
func printRunAs(out, notes io.Writer, name, alias string) error {
	if !userName.MatchString(name) {
		return &exit.Error{Code: exit.Usage, Err: fmt.Errorf("--run-as %q is not the name of a user", name)}
	}
	if alias = cmp.Or(alias, "ALIAS"); !instanceName.MatchString(alias) {
		return &exit.Error{Code: exit.Usage, Err: fmt.Errorf("%q cannot stand behind the @ of a unit's name", alias),
			Hint: "give the tunnel an alias in ssh_config, of letters, digits and any of :_.@-"}
	}
	home := filepath.Join("/home", name)
	account, err := user.Lookup(name)
	if err != nil {
		account, err = user.LookupId(name)
	}
	switch {
	case err != nil:
		fmt.Fprintf(notes, "tunneld: no user %s is known here: %s is taken for the home directory\n", name, home)
	case slices.Contains([]string{"", "/", "/nonexistent"}, account.HomeDir):
		return &exit.Error{Code: exit.Usage, Err: fmt.Errorf("the user %s has no home directory, and so no ~/.ssh", name),
			Hint: "give it one (`usermod --home`), or run the tunnel as the unit does without --run-as"}
	default:
		name, home = account.Username, account.HomeDir
	}
	_, err = io.WriteString(out, strings.NewReplacer(
		"@ALIAS@", alias, "@USER@", name, "@HOME@", unitWord("HOME="+home), "@ACCESS@", homeAccess(home),
	).Replace(runAsDropIn))
	return err
}

// homeAccess returns the lines that let the hardened unit reach ~/.ssh, and of the home nothing else.
func homeAccess(home string) string {
	ssh := unitWord("-" + filepath.Join(home, ".ssh"))
	for _, hidden := range []string{"/home", "/root", "/run/user"} { // by ProtectHome=, systemd.exec(5)
		if home == hidden || strings.HasPrefix(home, hidden+"/") {
			return "ProtectHome=tmpfs\nBindPaths=" + ssh
		}
	}
	return "ReadWritePaths=" + ssh
}

// unitWord writes a word for a unit's setting (systemd.syntax(7)).
func unitWord(word string) string {
	word = strings.NewReplacer(`%`, `%%`, `\`, `\\`, `"`, `\"`).Replace(word)
	if strings.ContainsAny(word, " \t'\"\\") {
		return `"` + word + `"`
	}
	return word
}

// errRunAsAlone refuses flags that contradict each other.
var errRunAsAlone = errors.New("--run-as is for the system's unit: your own service manager runs all as you")
