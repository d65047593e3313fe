// Package autossh is what a running autossh shows to the world besides its tunnel: its log in autossh's and in ssh's words, and the
// loop through the server and its tests. What the words of the command line mean, and the rules, are config/autossh's.
package autossh
