// Package newcomer has what a person who is new here types, word by word: sessions at a shell (testdata/script), and the README's
// first screen. It is somebody with an account of their own, and never root.
package newcomer
