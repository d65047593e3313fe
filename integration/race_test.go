//go:build race

package integration

// raceEnabled tells that the tests run under the race detector; then the binary under test is built with it too.
const raceEnabled = true
