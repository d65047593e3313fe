// Package scm has this program run as a service of Windows, where its service control manager (SCM) has started it: what asks the service to
// stop, and the shutdown of the machine, stop it as SIGTERM does elsewhere, and what it has to say goes to the event log.
package scm
