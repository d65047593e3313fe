//go:build race

package lab

// RaceEnabled reports that the tests run under the race detector; then the binary under test is built with it too.
const RaceEnabled = true
