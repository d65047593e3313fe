// Package netmon tells of what may have changed the way to a server: the machine slept, its addresses, routes or links
// changed.
package netmon
