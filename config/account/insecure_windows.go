package account

import (
	"io/fs"

	"github.com/tunneld/tunneld/config/acl"
	"github.com/tunneld/tunneld/config/foreign"
)

// Insecure says what is wrong with a file that is not Secure, and what to type.
func (a Account) Insecure(path string, _ fs.FileInfo) (text, hint string) {
	return "bad owner or permissions: others than its user, SYSTEM and Administrators could change the configuration",
		acl.Command(foreign.Own(path).String())
}
