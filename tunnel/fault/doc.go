// Package fault has the typed errors of an attempt and of a session: which step failed, whether to try again is of use, and
// what a person can do. Decisions are made by phase and type, never by text. It is a leaf: every room of the tunnel speaks it.
package fault
