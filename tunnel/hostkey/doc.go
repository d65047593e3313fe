// Package hostkey decides whether a server is the one that it should be: known_hosts, revocation lists, host certificates,
// KnownHostsCommand and UpdateHostKeys, as OpenSSH does. Read gives the Keys of one connection; Check is the verdict.
package hostkey
