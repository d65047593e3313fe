package config

import (
	"cmp"
	"os"
	"os/user"
	"path/filepath"
	"strings"
)

// systemDirectory is that of Win32-OpenSSH, which calls its parent __PROGRAMDATA__.
var systemDirectory = filepath.Join(cmp.Or(os.Getenv("ProgramData"), `C:\ProgramData`), "ssh")

// defaultAgent is the agent where nothing names one: that of Win32-OpenSSH's service.
const defaultAgent = `\\.\pipe\openssh-ssh-agent`

// isRooted reports whether a name does not depend on a directory.
func isRooted(name string) bool { return filepath.IsAbs(name) || name[0] == '/' || name[0] == '~' }

// CurrentEnvironment returns the environment of this process. ssh there calls a user by the name alone, without the computer's or the
// domain's.
func CurrentEnvironment() (Environment, error) {
	home, err := os.UserHomeDir() // %USERPROFILE%
	if err != nil {
		return Environment{}, err
	}
	name := os.Getenv("USERNAME")
	if account, err := user.Current(); err == nil {
		name = account.Username
	}
	host, err := os.Hostname()
	if err != nil {
		return Environment{}, err
	}
	return Environment{
		Home:       home,
		LocalUser:  name[strings.LastIndexByte(name, '\\')+1:],
		UID:        os.Getuid(), // -1: there are none
		HostName:   host,
		Getenv:     os.LookupEnv,
		UserFile:   filepath.Join(home, ".ssh", "config"),
		SystemFile: filepath.Join(systemDirectory, "ssh_config"),
	}, nil
}
