// Package errno has the errors of sockets as the system gives them: Windows has numbers of its own for them, and those that package
// syscall knows by the names of Unix come from nowhere there.
package errno
