//go:build unix

package config

import (
	"cmp"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
)

// systemDirectory is where the system's files are, and look for relative names.
const systemDirectory = "/etc/ssh"

// defaultAgent is the agent where nothing names one: none.
const defaultAgent = ""

// isRooted reports whether a name does not depend on a directory.
func isRooted(name string) bool { return name[0] == '/' || name[0] == '~' }

// CurrentEnvironment returns the environment of this process. For a user who is not in the password database, as happens in
// containers, it takes $HOME and $USER.
func CurrentEnvironment() (Environment, error) {
	uid := os.Getuid()
	home := cmp.Or(os.Getenv("HOME"), "/")
	name := cmp.Or(os.Getenv("USER"), strconv.Itoa(uid))
	if account, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		home, name = account.HomeDir, account.Username
	}
	host, err := os.Hostname()
	if err != nil {
		return Environment{}, err
	}
	return Environment{
		Home:       home,
		LocalUser:  name,
		UID:        uid,
		Service:    uid != 0 && os.Getenv("INVOCATION_ID") != "" && os.Getenv("STATE_DIRECTORY") != "", // systemd.exec(5)
		HostName:   host,
		Getenv:     os.LookupEnv,
		UserFile:   filepath.Join(home, ".ssh", "config"),
		SystemFile: filepath.Join(systemDirectory, "ssh_config"),
	}, nil
}
