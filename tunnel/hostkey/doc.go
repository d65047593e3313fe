// Package hostkey decides whether a server is the one that it should be: known_hosts, revocation lists, host certificates,
// KnownHostsCommand and UpdateHostKeys, as OpenSSH does. Read returns the Keys for one connection; Keys.Check is the verdict.
package hostkey
