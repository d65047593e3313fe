package service

import (
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// A target that is not there is the most common mistake. Each kind of forward says so, where people look.
func TestWrongTargetLeavesATrace(t *testing.T) {
	for _, kind := range []struct {
		name  string
		route func(testing.TB, string) lab.Route
		says  string
	}{
		{"L", lab.LocalRoute, "the server cannot reach %s: .*refused"},
		{"R", lab.RemoteRoute, "this machine cannot reach %s: .*refused"},
	} {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t)
			nobody := lab.Loopback(lab.FreePort(t))
			says := fmt.Sprintf(kind.says, regexp.QuoteMeta(nobody))
			r := kind.route(t, nobody)
			c := l.Up(1, append([]string{lab.Alias}, r.Flags...)...)
			lab.Eventually(t, lab.Patience, "it listens", func() bool { state, _ := l.Forward(r.Flags); return state == "listening" })
			for range 5 {
				conn := r.Connect(t)
				conn.Read(make([]byte, 1)) // it is closed by now, or will be
			}
			lab.Eventually(t, lab.Patience, "all are counted", func() bool { return l.Account.Status().Tunnels[0].Forwards[0].Refused == 5 })
			warnings := c.Matching(func(line lab.Line) bool {
				return line.Field("level") == "WARN" && regexp.MustCompile(says).MatchString(line.Field("msg")+line.Field("err"))
			})
			if len(warnings) != 1 {
				t.Errorf("%d warnings, want one:\n%s", len(warnings), c.Text())
			}
			l.Account.Expect(0, `(?m)\ds ago: `+says, "status")
			f := l.Account.Status().Tunnels[0].Forwards[0]
			if !regexp.MustCompile(says).MatchString(f.LastError) || f.LastErrorTime.IsZero() {
				t.Errorf("the status says %q at %v", f.LastError, f.LastErrorTime)
			}
		})
	}
}

func TestCheckOpensEachTargetOnce(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	var opened atomic.Int32
	target := lab.StartTarget(t, func(c *net.TCPConn) { opened.Add(1); lab.Echo(c) })
	good, bad := lab.LocalRoute(t, target.Address()), lab.LocalRoute(t, lab.Loopback(lab.FreePort(t)))
	words := append([]string{"check", lab.Alias, "-F", l.Account.Path("config")}, good.Flags...)
	l.Account.Expect(0, `(?m)^ok    target +[0-9.]+ ms  the server reaches `+targetOf(good)+`$`, words...)
	if n := opened.Load(); n != 1 {
		t.Errorf("%d connections to the target, want one", n)
	}
	words = append(words, bad.Flags...)
	text := l.Account.Expect(1, `(?m)^FAIL  target +[0-9.]+ ms  the server cannot reach `+targetOf(bad)+`: .*refused\n +hint: .*`, words...)
	if n := strings.Count(text, "ok    target"); n != 1 {
		t.Errorf("%d good targets, want one:\n%s", n, text)
	}
	if n := strings.Count(text, "cannot reach"); n != 1 {
		t.Errorf("what is wrong is said %d times, want once:\n%s", n, text)
	}
	if n := opened.Load(); n != 2 {
		t.Errorf("%d connections to the target by two checks", n)
	}
}

func TestOutageIsVisible(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	c := l.Up(1, append([]string{"one"}, lab.Hasty...)...)
	follower := l.Account.Tunneld("log", "one", "-f")
	lab.Eventually(t, lab.Patience, "the follower sees it", func() bool { return strings.Contains(follower.Text(), "INF connected") })
	l.Relay.Shut()
	l.Relay.Cut()
	held := one.Connect(t)
	lab.Eventually(t, lab.Patience, "it is shown as down", func() bool {
		text, _ := l.Account.Ask("status")
		return regexp.MustCompile(`(?m)^one · down \d+s · attempt \d+ in [0-9.]+m?s · 1 held · `).MatchString(text)
	})
	l.Relay.Open()
	lab.Check(t, lab.Exchange(held, "held", lab.Patience))
	text := l.Account.Expect(0, `(?m)^    last outage \d+m?s, \d+s ago: .+$`, "status")
	if n := len(regexp.MustCompile(`(?m)^    \d\d:\d\d:\d\d [a-z]`).FindAllString(text, -1)); n != 3 {
		t.Errorf("%d events in the status, want 3:\n%s", n, text)
	}
	l.Account.Expect(0, `(?m)^\d{4}-\d\d-\d\d\n(.*\n)*\d\d:\d\d:\d\d WRN connection lost: .+\n(.*\n)*.* INF reconnected`, "log", "one")
	l.Account.Expect(1, "no tunnel of that name", "log", "three")
	lab.Eventually(t, lab.Patience, "the follower sees it", func() bool { return strings.Contains(follower.Text(), "WRN connection lost: ") })
	held.Close()
	c.Signal(syscall.SIGTERM)
	if code := follower.WaitExit(t, lab.Patience); code != 0 || !regexp.MustCompile(` INF stopped: SIGTERM\nstopped\n$`).MatchString(follower.Text()) {
		t.Errorf("log -f ends with %d when the tunnel does:\n%s", code, follower.Text())
	}
}

// Whoever follows a tunnel is told why it ends: where that is the end of its process, too, and where another of its process goes on.
func TestFollowerIsToldWhyATunnelFails(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	l.Configure([2]string{"sx-a", forwardOf(one)}, [2]string{"sx-b", forwardOf(other)})
	c := l.Up(2, "sx-*")
	var followers []*lab.Child
	for range 3 {
		followers = append(followers, l.Account.Tunneld("log", "sx-a", "-f"))
	}
	follower := l.Account.Tunneld("log", "-f")
	for _, f := range append(followers, follower) {
		lab.Eventually(t, lab.Patience, "the follower sees it", func() bool { return regexp.MustCompile(`INF (sx-a: )?connected`).MatchString(f.Text()) })
	}
	good := lab.ReadFile(t, l.Account.Path("known_hosts"))
	lab.WriteFile(t, l.Account.Path("known_hosts"), "")
	l.Account.Trust(l.Relay.Address(), lab.WriteKey(t, l.Account.Path("other")))
	l.Relay.Cut()
	if code := c.WaitExit(t, lab.Patience); code != 3 {
		t.Errorf("exit code %d, want 3:\n%s", code, c.Text())
	}
	for _, f := range append(followers, follower) {
		if code := f.WaitExit(t, lab.Patience); code != 0 || !regexp.MustCompile(` ERR (sx-a: )?failed for good: .*host key .*\n(.*\n)*stopped\n$`).MatchString(f.Text()) {
			t.Errorf("log -f ends with %d:\n%s", code, f.Text())
		}
	}

	// One that has failed beside one that goes on is tried again, and followed through that.
	lab.WriteFile(t, l.Account.Path("known_hosts"), good)
	l.Configure([2]string{"sx-a", forwardOf(one)}, [2]string{"sx-b", forwardOf(other) + "\nUserKnownHostsFile /dev/null\nHostKeyAlias another"})
	l.Account.Tunneld("up", "-F", l.Account.Path("config"), "sx-*")
	lab.Eventually(t, lab.Patience, "one has failed", func() bool {
		text, _ := l.Account.Ask("status", "sx-b")
		return strings.Contains(text, "sx-b · failed")
	})
	follower = l.Account.Tunneld("log", "sx-b", "-f")
	lab.Eventually(t, lab.Patience, "the follower sees it", func() bool { return strings.Contains(follower.Text(), "ERR failed for good: ") })
	l.Configure([2]string{"sx-a", forwardOf(one)}, [2]string{"sx-b", forwardOf(other)})
	l.Account.Expect(0, "sx-b: reloaded in ", "reload", "sx-b")
	lab.Eventually(t, lab.Patience, "it goes on", func() bool { return strings.Contains(follower.Text(), "INF connected") })
	l.Account.Expect(0, "sx-b: stopped", "down", "sx-b")
	if code := follower.WaitExit(t, lab.Patience); code != 0 || !strings.HasSuffix(follower.Text(), " INF stopped: somebody asked\nstopped\n") {
		t.Errorf("log -f ends with %d:\n%s", code, follower.Text())
	}
	l.Account.Expect(0, "sx-a: stopped", "down", "sx-a")
	l.Account.Forget()
}

func TestListShowsOpenAndClosed(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	l.Account.Host("plain", l.Relay.Port)
	for i := range 30 {
		l.Account.Host(fmt.Sprintf("more-%d", i), l.Relay.Port, "LocalForward "+lab.Loopback(lab.FreePort(t))+" localhost:80")
	}
	l.Up(1, "two")
	config := l.Account.Path("config")
	text := l.Account.Expect(0, `(?m)^one +closed +-L `+one.Address+":"+targetOf(one)+`\ntwo +open +up \d+s +-L `+other.Address+`.*\nmore-0 +closed`, "list", "-F", config)
	if n := strings.Count(text, "\n"); n != 32 || strings.Contains(text, "plain") {
		t.Errorf("%d lines, want one for each of 32 aliases with forwards:\n%s", n, text)
	}
	l.Account.Expect(0, `(?s)"name": "one",\s+"alias": "one",\s+"open": false,.*"name": "two",\s+"alias": "two",\s+"open": true,\s+"state": "up"`, "list", "--json", "-F", config)
	l.Up(30, "more-*")
	text = l.Account.Expect(0, `^NAME +STATE`, "status")
	if n := strings.Count(text, "\n"); n != 32 {
		t.Errorf("%d lines, want a head and one for each of 31 tunnels:\n%s", n, text)
	}
	l.Account.Expect(0, `^more-7 · up`, "status", "more-7")
}

// Whoever stops a tunnel that somebody uses learns what it waits for, and how not to.
func TestStoppingSaysWhatItWaitsFor(t *testing.T) {
	for _, c := range []struct {
		name string
		open int
		says string
	}{
		{"nobody", 0, ""},
		{"one", 1, `waiting up to 1m0s for 1 connection`},
		{"two", 2, `waiting up to 1m0s for 2 connections`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l, one, _ := two(t)
			for _, way := range []string{"signal", "down"} {
				up := l.Up(1, "one", "-o", "TunneldDrain=60")
				var open []net.Conn
				for range c.open {
					conn := one.Connect(t)
					lab.Check(t, lab.Exchange(conn, "hello", lab.Patience))
					open = append(open, conn)
				}
				says := up
				if way == "signal" {
					up.Signal(syscall.SIGINT)
				} else {
					says = l.Account.Tunneld("down", "one")
				}
				want := c.says
				if want != "" {
					if way == "signal" {
						want += "; Ctrl-C again ends at once"
					}
					lab.Eventually(t, lab.Patience, "it says why", func() bool { return strings.Contains(says.Text(), want) })
				}
				for _, conn := range open {
					conn.Close()
				}
				if code := up.WaitExit(t, lab.Patience); code != 0 {
					t.Errorf("exit code %d, want 0", code)
				}
				if says != up {
					says.WaitExit(t, lab.Patience)
				}
				if c.says == "" && strings.Contains(says.Text(), "waiting up to") {
					t.Errorf("it waits for nobody:\n%s", says.Text())
				}
			}
		})
	}
}
