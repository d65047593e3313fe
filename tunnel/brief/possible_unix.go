//go:build unix

package brief

// possible: a socket can be asked without waiting for it.
const possible = true
