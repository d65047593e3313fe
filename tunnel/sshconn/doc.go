// Package sshconn makes one authenticated SSH connection: addresses, jump hosts, ProxyCommand, key exchange, host key and
// authentication, with one deadline over everything. A Conn is what a session of the tunnel is made of; under it is the wire,
// which knows first that a connection is dead.
package sshconn
