package service

import (
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// A process of months is reloaded again and again: what begins, ends, changes, logs in anew, is refused or cannot be read leaves no
// goroutine and no file behind.
func TestReloadsLeaveNothing(t *testing.T) {
	t.Parallel()
	const rounds = 4
	l, one, other := two(t)
	added := lab.LocalRoute(t, targetOf(one))
	a, b := [2]string{"sx-a", forwardOf(one)}, [2]string{"sx-b", forwardOf(other)}
	with := func(alias [2]string, line string) [2]string { return [2]string{alias[0], alias[1] + "\n" + line} }
	start := func() *lab.Child {
		l.Configure(a, b)
		return l.Up(2, "sx-*")
	}
	fresh := lab.Goroutines(t, start())
	c := start()
	before, _ := lab.Settled(c)
	for range rounds {
		l.Configure(with(a, forwardOf(added)+"\nRemoteForward 0 "+targetOf(one)))
		l.Account.Expect(0, "sx-b: stopped", "reload", "sx-a")
		l.Configure(with(a, "Compression yes"), with(b, "HostKeyAlias another"))
		l.Account.Expect(1, "(?s)sx-b: .*host key", "reload", "sx-a")
		l.Account.Expect(1, "(?s)sx-b: .*host key", "reload", "sx-a") // tried again
		l.Configure(with(a, "Port nowhere"))
		l.Account.Expect(1, "config:", "reload", "sx-a")
		l.Configure(a, b)
		l.Account.Expect(0, "sx-a: reloaded", "reload", "sx-a")
	}
	lab.Check(t, one.Works(lab.Patience))
	lab.Check(t, other.Works(lab.Patience))
	if !lab.Within(lab.Patience, func() bool { now, _ := lab.Descriptors(c.Pid()); return now <= before }) {
		now, kinds := lab.Descriptors(c.Pid())
		t.Errorf("%d files are open, %d before: %v", now, before, kinds)
	}
	fresh.Compare(t, c)
}
