package acl

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Rights that others may be granted, or not.
const (
	// Any is all that can be done with a file: nobody else may do anything with a private key.
	Any windows.ACCESS_MASK = 0xffffffff
	// Change is what changes a file, or who may change it.
	Change windows.ACCESS_MASK = windows.FILE_WRITE_DATA | windows.FILE_APPEND_DATA | windows.FILE_WRITE_EA | windows.FILE_WRITE_ATTRIBUTES |
		windows.DELETE | windows.WRITE_DAC | windows.WRITE_OWNER | windows.GENERIC_WRITE | windows.GENERIC_ALL
)

// Other returns who else than this user, SYSTEM and Administrators owns an open file, or is granted one of the rights; empty: nobody.
func Other(file *os.File, rights windows.ACCESS_MASK) (name string, err error) {
	us, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return "", err
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return "", err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { name, failed = other(windows.Handle(fd), rights, us.User.Sid) })
	if err != nil {
		return "", err
	}
	return name, failed
}

func other(file windows.Handle, rights windows.ACCESS_MASK, us *windows.SID) (string, error) {
	descriptor, err := windows.GetSecurityInfo(file, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return "", err
	}
	owner, _, err := descriptor.Owner()
	if err != nil {
		return "", err
	}
	if !isTrusted(owner, us) {
		return nameOf(owner), nil
	}
	list, _, err := descriptor.DACL()
	if err != nil {
		return "", err
	}
	if list == nil {
		return "everybody", nil
	}
	return granted(list, rights, us)
}

// granted returns the first in a list whom it grants one of the rights. What it denies is not looked at: that takes away alone.
func granted(list *windows.ACL, rights windows.ACCESS_MASK, us *windows.SID) (string, error) {
	for i := range uint32(list.AceCount) {
		var entry *windows.ACCESS_ALLOWED_ACE
		if err := windows.GetAce(list, i, &entry); err != nil {
			return "", err
		}
		switch {
		case entry.Header.AceType == windows.ACCESS_DENIED_ACE_TYPE, entry.Header.AceFlags&windows.INHERIT_ONLY_ACE != 0:
			continue
		case entry.Header.AceType != windows.ACCESS_ALLOWED_ACE_TYPE:
			return fmt.Sprintf("somebody, by an entry of type %d", entry.Header.AceType), nil
		}
		sid := (*windows.SID)(unsafe.Pointer(&entry.SidStart))
		if entry.Mask&rights != 0 && !isTrusted(sid, us) {
			return nameOf(sid), nil
		}
	}
	return "", nil
}

// isTrusted reports whether somebody may do anything with our files: us, the system, its administrators, and the owner, who is one of them.
func isTrusted(sid, us *windows.SID) bool {
	return sid.Equals(us) || sid.IsWellKnown(windows.WinLocalSystemSid) || sid.IsWellKnown(windows.WinBuiltinAdministratorsSid) ||
		sid.IsWellKnown(windows.WinCreatorOwnerRightsSid)
}

func nameOf(sid *windows.SID) string {
	account, domain, _, err := sid.LookupAccount("")
	switch {
	case err != nil:
		return sid.String()
	case domain == "":
		return account
	}
	return domain + `\` + account
}

// Command is what a person types to leave a file to themselves, SYSTEM and Administrators.
func Command(path string) string {
	return fmt.Sprintf(`icacls "%s" /inheritance:r /grant:r "%%USERNAME%%:F" "*S-1-5-18:F" "*S-1-5-32-544:F"`, path)
}

// KeepOthersOut lets this user, SYSTEM and Administrators alone into a directory, and to what will be made in it.
func KeepOthersOut(directory string) error {
	us, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return err
	}
	descriptor, err := windows.SecurityDescriptorFromString(fmt.Sprintf("D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;%s)", us.User.Sid))
	if err != nil {
		return err
	}
	list, _, err := descriptor.DACL()
	if err != nil {
		return err
	}
	return windows.SetNamedSecurityInfo(directory, windows.SE_FILE_OBJECT,
		windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, list, nil)
}
