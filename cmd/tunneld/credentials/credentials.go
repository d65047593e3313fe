// Package credentials finds the secrets that systemd hands to a service.
package credentials

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/tunneld/tunneld/tunnel/auth"
	"github.com/tunneld/tunneld/tunnel/sshconn"
)

// New returns an empty memory for secrets that knows where the environment keeps the agent and systemd's
// credentials. ask may be nil. alone: the process was started for one host, which the credential "password" is then for.
func New(ask sshconn.Asker, log *slog.Logger, alone bool) *auth.Credentials {
	given := files{getenv: os.LookupEnv, alone: alone}
	c := auth.NewCredentials(ask, log)
	c.GivenPassphrase, c.GivenPassword = given.passphrase, given.password
	return c
}

// files finds systemd's credentials (systemd.exec(5), LoadCredential=). What is sent to a server says in its name
// to which:
//
//	passphrase.ALIAS  of the keys for the host that is called ALIAS on the command line or in ProxyJump
//	passphrase        of any key
//	password.ALIAS    of the host that is called ALIAS
//	password          of the one host that the process was started for; never of a jump host
type files struct {
	getenv func(string) (string, bool)
	alone  bool
}

func (f files) passphrase(alias string) string {
	if path := f.file("passphrase." + alias); path != "" {
		return path
	}
	return f.file("passphrase")
}

func (f files) password(alias string, destination bool) string {
	if path := f.file("password." + alias); path != "" || !destination || !f.alone {
		return path
	}
	return f.file("password")
}

// file returns the path of a credential, or "" where there is none.
func (f files) file(name string) string {
	directory, _ := f.getenv("CREDENTIALS_DIRECTORY")
	if directory == "" || strings.ContainsRune(name, filepath.Separator) {
		return ""
	}
	path := filepath.Join(directory, name)
	if info, err := os.Stat(path); err != nil || info.IsDir() {
		return ""
	}
	return path
}
