// Package prompt puts questions to a person, at the terminal or through SSH_ASKPASS, as read_passphrase of OpenSSH does.
package prompt
