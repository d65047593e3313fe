//go:build unix

package account

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/tunneld/tunneld/config/foreign"
)

// Insecure says what is wrong with a file that is not Secure, and what to type.
func (a Account) Insecure(path string, info fs.FileInfo) (text, hint string) {
	command := "chmod go-w " + foreign.Quoted(path).String()
	if info.Mode().Perm()&0o022 == 0 {
		command = "chown " + strconv.Itoa(a.UID) + " " + foreign.Quoted(path).String()
	}
	text = fmt.Sprintf("bad owner or permissions (%v): others could change the configuration", info.Mode().Perm())
	hint = a.Type(command)
	if owner, ok := Owner(info); ok && strings.HasPrefix(command, "chown") {
		text += "; it belongs to " + a.OwnerName(owner)
		hint = "another user owns the file: " + hint
	}
	return text, hint
}
