// Package procgroup starts a command as the leader of a process group, and ends it together with what it started: commands
// of "Match exec", ProxyCommand and KnownHostsCommand. It is a leaf, because config and the floors above it run commands.
package procgroup
