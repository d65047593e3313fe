//go:build race

package lab

const raceTests = true
