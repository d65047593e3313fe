// Package acl says and sets who may do what with a file on Windows, by the rules of Win32-OpenSSH: the user of this process, SYSTEM and
// Administrators may do anything, and whom else a file's list lets read a private key, or change a configuration, is one too many.
// It is empty on other systems, where owner and mode say it.
package acl
