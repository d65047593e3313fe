// Package newcomer has what a person who is new here types, word by word: sessions at a shell (testdata/script), the README's
// first screen, and the commands of the pages in docs/. It is somebody with an account of their own, and never root.
package newcomer
