// Package fault has the typed errors of an attempt and of a session: which step failed, whether it is worth trying again, and what a
// person can do. Decisions are made by phase and type, never by text. It is a leaf that every room of the tunnel uses.
package fault
