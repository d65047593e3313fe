package credentials

import (
	"os"
	"path/filepath"
	"testing"
)

// A credential is for the host in its name; "password" is for the destination of a process that has one.
func TestCredentialsAreBoundToTheirHosts(t *testing.T) {
	directory := t.TempDir()
	for _, name := range []string{"passphrase", "passphrase.db", "password", "password.jump"} {
		if err := os.WriteFile(filepath.Join(directory, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	here := variables(map[string]string{"CREDENTIALS_DIRECTORY": directory})
	one, several := files{here, true}, files{here, false}
	for name, c := range map[string]struct{ got, want string }{
		"passphrase of a host":             {one.passphrase("db"), "passphrase.db"},
		"passphrase of another":            {one.passphrase("web"), "passphrase"},
		"password of the destination":      {one.password("db", true), "password"},
		"password of another destination":  {several.password("db", true), ""},
		"password of a jump host":          {one.password("jump", false), "password.jump"},
		"of a jump host among several":     {several.password("jump", false), "password.jump"},
		"of a jump host without one":       {one.password("other", false), ""},
		"of a jump host, as a destination": {several.password("jump", true), "password.jump"},
		"a name that leads elsewhere":      {several.password("../"+filepath.Base(directory)+"/password", true), ""},
		"without credentials":              {files{variables(nil), true}.password("db", true), ""},
	} {
		want := c.want
		if want != "" {
			want = filepath.Join(directory, want)
		}
		if c.got != want {
			t.Errorf("%s: %q, want %q", name, c.got, want)
		}
	}
}

func variables(all map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := all[name]
		return value, ok
	}
}
