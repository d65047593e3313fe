// Package integration drives the built tunneld against real peers: OpenSSH's sshd, Dropbear, and beside it the programs
// that it replaces, ssh and autossh. Nothing in here is mocked, and nothing outside is touched: every server has its
// keys, configuration and log in a temporary directory, listens on loopback or inside a network namespace of its own,
// and ends with the test.
//
// A test builds a lab (a server, a relay in front of it that can cut, freeze and delay, and an account whose ssh_config
// names them), starts a program in it, and opens routes (-L, -R, -D) through it. Conditions are polled with a deadline.
//
// The package needs Linux: it reads /proc and stops process trees.
package lab
