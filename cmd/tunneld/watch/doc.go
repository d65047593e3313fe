// Package watch shows running tunnels on a screen of a terminal, anew each second: `tunneld status --watch`.
//
// screen.go says what is on it and what a key makes of it, without a clock and without a terminal; keys.go reads keys; watch.go
// has the terminal. It is plain, with golang.org/x/term and a few control sequences of xterm: a library for such screens (bubbletea)
// comes with sixteen modules, some of them without a release, in a program that holds keys and often runs as root, and takes
// over no more than the 150 lines of the last two files.
package watch
