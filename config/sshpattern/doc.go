// Package sshpattern matches names as ssh_config(5) PATTERNS says. It is a leaf: Host, Match and lists of algorithms need it,
// and known_hosts has the same patterns.
package sshpattern
