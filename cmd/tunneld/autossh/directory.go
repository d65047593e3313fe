package autossh

import (
	"os"
	"path/filepath"

	"github.com/tunneld/tunneld/config"
)

// LeaveDirectory lets go of the directory that we were started in, unless a file that o names is to be found from there.
func LeaveDirectory(o *config.Options) {
	for _, key := range o.IdentityFile {
		if !filepath.IsAbs(key.Path) {
			return
		}
	}
	for _, list := range [][]string{o.UserKnownHostsFile, o.CertificateFile} {
		for _, path := range list {
			if !filepath.IsAbs(path) {
				return
			}
		}
	}
	os.Chdir("/")
}
