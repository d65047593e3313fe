package main

import (
	"testing"
	"time"
)

// Long after its terminal has gone, a process that was disowned reloads by SIGHUP.
func TestHangupOfADisownedProcessReloads(t *testing.T) {
	now := time.Now()
	if (&controlling{gone: now}).hungUp(now.Add(outlived)) {
		t.Error("it would end")
	}
	if !(&controlling{gone: now}).hungUp(now.Add(time.Second)) {
		t.Error("it would outlive its terminal")
	}
	if (&controlling{}).hungUp(now) {
		t.Error("it has no terminal that could have been closed")
	}
}
