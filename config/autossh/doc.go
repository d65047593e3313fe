// Package autossh turns the command line and the environment of autossh 1.4g into plain data, and has its restart rules and
// its messages as code without side effects.
//
// The oracle is autossh 1.4g as Debian ships it: the program with Debian's patch (-M wins over AUTOSSH_PORT) behind the wrapper
// that chooses a monitor port. Its defects in reading arguments are not copied; Differences lists each of them.
package autossh
