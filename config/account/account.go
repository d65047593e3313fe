// Package account says whom this process runs as, and what to type where a file has the wrong owner or rights. It is a leaf below
// config, whose errors and those of keys and known hosts have the same hints.
package account

import (
	"cmp"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"github.com/tunneld/tunneld/config/foreign"
)

// Account is whom this process runs as, as far as hints depend on it: who can mend a file, and what to type.
type Account struct {
	Name    string // empty: not known
	UID     int
	Home    string // the real one: where ~/.ssh is
	Service bool   // of the service manager: nobody logs in as this user, and root mends its files
}

// String returns the name and the number: "tunneld (UID 61234)".
func (a Account) String() string {
	if a.Name == "" || a.Name == strconv.Itoa(a.UID) {
		return fmt.Sprintf("UID %d", a.UID)
	}
	return fmt.Sprintf("%s (UID %d)", foreign.Own(a.Name), a.UID)
}

// Type returns the advice to type a command that changes a file of this user. Of a service it says who is to type it, and whose
// the file has to be.
func (a Account) Type(command string) string {
	if !a.Service {
		return command
	}
	return fmt.Sprintf("as root, for the service runs as %s: %s", a, command)
}

// Forbidden says what bars the way to a file of that path, which could not be read for lack of permission: it, or the last
// directory above it that can be seen. text is what it is, for a message; mend is what to type. Both are empty where nothing can
// be told.
func (a Account) Forbidden(path string) (text, mend string) { return a.barred(path, "r") }

// ForbiddenToChange is Forbidden for a file that could not be written, or made.
func (a Account) ForbiddenToChange(path string) (text, mend string) { return a.barred(path, "rw") }

// barred is Forbidden for the rights that are wanted, as chmod(1) writes them.
func (a Account) barred(path, rights string) (text, mend string) {
	place := path
	info, err := os.Stat(place)
	for err != nil && place != filepath.Dir(place) {
		place = filepath.Dir(place)
		info, err = os.Stat(place)
	}
	if err != nil {
		return "", ""
	}
	owner, ok := Owner(info)
	if !ok {
		return "", ""
	}
	subject := "it"
	if place != path {
		subject = place
	}
	text = fmt.Sprintf("%s belongs to %s, mode %v", subject, a.OwnerName(owner), info.Mode())
	mode := "u+" + rights
	if info.IsDir() {
		mode += "x"
	}
	if owner == a.UID {
		return text, a.Type(fmt.Sprintf("chmod %s %s", mode, foreign.Quoted(place)))
	}
	if a.Service {
		return text, a.Type(fmt.Sprintf("chown %d %s", a.UID, foreign.Quoted(place)))
	}
	return text, fmt.Sprintf("as root: chown %s %s", cmp.Or(registered(a.UID), strconv.Itoa(a.UID)), foreign.Quoted(place))
}

// overflowUID stands in a user namespace, such as that of PrivateUsers=, for everybody who is not in it (user_namespaces(7)).
const overflowUID = 65534

// OwnerName returns the name of a file's owner, or its number where it has none.
func (a Account) OwnerName(owner int) string {
	switch {
	case owner == a.UID && a.Service:
		return a.String()
	case owner == overflowUID && a.Service:
		return "another user"
	}
	return cmp.Or(registered(owner), "user "+strconv.Itoa(owner))
}

// registered returns the name of a user in the password database; empty: it is not there.
func registered(uid int) string {
	account, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return ""
	}
	return account.Username
}
