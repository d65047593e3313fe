package hangup

import (
	"os"
	"testing"
	"time"
)

// Long after its terminal has gone, a process that was disowned reloads by SIGHUP.
func TestHangupOfADisownedProcessReloads(t *testing.T) {
	now := time.Now()
	if (&Terminal{gone: now}).HungUp(now.Add(outlived)) {
		t.Error("it would end")
	}
	if !(&Terminal{gone: now}).HungUp(now.Add(time.Second)) {
		t.Error("it would outlive its terminal")
	}
	if (&Terminal{}).HungUp(now) {
		t.Error("it has no terminal that could have been closed")
	}
	tty, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	left := &Terminal{tty: tty, gone: now}
	if left.Left(); left.HungUp(now) {
		t.Error("it has left that terminal")
	}
	if tty.Close() == nil {
		t.Error("it keeps that terminal open")
	}
}
