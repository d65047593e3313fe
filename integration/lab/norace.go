//go:build !race

package lab

const RaceEnabled = false
