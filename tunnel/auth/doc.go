// Package auth proves to a server who we are: identity files, agents, certificates, passphrases and passwords, in the order
// of OpenSSH. Credentials lives as long as the process and remembers what was typed; an Attempt is one authentication. Secrets
// that are meant for a key never leave this package.
package auth
