// Package sshkey answers questions about a key: its type, whether two are the same, which signature algorithms go with it. It is a
// leaf that authentication and host keys share.
package sshkey
