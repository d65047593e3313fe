package monitor

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel"
)

func fakeForwards(open, total int64) []tunnel.ForwardStatus {
	return []tunnel.ForwardStatus{{
		Kind: config.Dynamic, Spec: "localhost:1080", State: tunnel.ForwardListening,
		Bound: []string{"127.0.0.1:1080", "[::1]:1080"}, Target: "SOCKS", Carried: tunnel.Carried{Open: open, Total: total},
	}}
}

func TestReconnectMakesBeforeItBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, options(), &fakeTunnel{})
		w.pass(time.Minute)
		old := w.tunnel.session(t)
		old.set(func(s *fakeSession) { s.open = 2 })
		since := w.Status().Since
		if err := w.Reconnect(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.expect(Up)
		s := w.Status()
		if !s.Since.Equal(since) || s.Replacements != 1 || s.Reconnects != 0 {
			t.Errorf("status %+v", s)
		}
		if len(s.Sessions) != 2 || !s.Sessions[1].Retiring || old.Err() != nil {
			t.Errorf("the old session does not drain: %+v", s.Sessions)
		}
		w.pass(10*time.Second + time.Millisecond)
		if s := w.Status(); len(s.Sessions) != 1 || old.Err() == nil {
			t.Errorf("the old session is still there: %+v", s.Sessions)
		}
		w.finish()
	})
}

// A transfer goes on to its end on the old session, however long that takes; when everything is being stopped, it gets
// TunneldDrain.
func TestTransferOutlivesTunneldDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, options(), &fakeTunnel{})
		w.pass(time.Minute)
		old := w.tunnel.session(t)
		old.set(func(s *fakeSession) { s.open = 1 })
		if err := w.Reconnect(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			w.pass(time.Second)
			old.set(func(s *fakeSession) { s.carried++ })
		}
		if old.Err() != nil {
			t.Fatal("the transfer was cut")
		}
		w.stop()
		for range 9 {
			w.pass(time.Second)
			old.set(func(s *fakeSession) { s.carried++ })
		}
		if old.Err() != nil {
			t.Error("the transfer was cut before TunneldDrain was over")
		}
		w.pass(1100 * time.Millisecond)
		if old.Err() == nil {
			t.Error("the transfer goes on although everything is being stopped")
		}
		<-w.ended
	})
}

func TestReconnectThatFailsKeepsTheOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, failure := range []error{refusedDial(), refusedKey(), changedKey()} {
			f := &fakeTunnel{}
			w := start(t, options(), f)
			w.pass(time.Minute)
			f.rule(refuse(failure))
			if err := w.Reconnect(t.Context()); !errors.Is(err, failure) {
				t.Errorf("Reconnect gave %v", err)
			}
			w.pass(time.Hour)
			w.expect(Up)
			if n := f.count(); n != 2 {
				t.Errorf("%d attempts: it asks again by itself", n)
			}
			w.finish()
		}
	})
}

func TestReconnectWhileWaitingAndConnecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTunnel{}
		f.rule(refuse(refusedDial()))
		w := start(t, options(), f)
		w.pass(10 * time.Minute)
		w.expect(Waiting)
		before := f.count()
		f.rule(func(_ context.Context, n int) (*fakeSession, error) {
			<-time.After(3 * time.Second)
			return newFakeSession(n), nil
		})
		first := make(chan error, 1)
		go func() { first <- w.Reconnect(t.Context()) }()
		w.pass(time.Second)
		w.expect(Connecting)
		if err := w.Reconnect(t.Context()); err != nil { // joins the attempt that runs
			t.Error(err)
		}
		if err := <-first; err != nil {
			t.Error(err)
		}
		w.pass(time.Minute)
		w.expect(Up)
		if n := f.count() - before; n != 1 {
			t.Errorf("%d attempts for two requests", n)
		}
		w.finish()
	})
}

// A request that an earlier attempt has answered already does not make another.
func TestAnsweredRequestIsNotAnsweredTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, options(), &fakeTunnel{})
		w.slots[0].ask <- struct{}{}
		w.pass(time.Minute)
		if n := w.tunnel.count(); n != 1 {
			t.Errorf("%d attempts", n)
		}
		w.finish()
	})
}

func TestReconnectGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, options(), onlyOnce())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.Reconnect(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("gave %v", err)
		}
		w.expect(Up)
		w.finish()
	})
}

func TestMaxLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.MaxLifetime = time.Hour
		f := &fakeTunnel{}
		w := start(t, o, f)
		w.pass(59 * time.Minute)
		if f.count() != 1 {
			t.Fatal("replaced too soon")
		}
		w.pass(2 * time.Minute)
		w.expect(Up)
		if f.count() != 2 || w.Status().Replacements != 1 || len(w.log.lines("replaced", "TunneldMaxLifetime")) != 1 {
			t.Errorf("%d attempts\n%s", f.count(), w.log)
		}
		w.pass(10 * time.Hour)
		if n := f.count(); n != 12 {
			t.Errorf("%d sessions in eleven hours", n)
		}
		w.finish()
	})
}

// A replacement that cannot be had is tried for again, ever more slowly, and the old session goes on.
func TestMaxLifetimeWhileTheServerRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.MaxLifetime = time.Hour
		f := &fakeTunnel{}
		w := start(t, o, f)
		w.pass(time.Minute)
		f.rule(refuse(refusedDial()))
		w.pass(2 * time.Hour)
		w.expect(Up)
		if n := f.count(); n < 60 || n > 200 {
			t.Errorf("%d attempts in an hour", n)
		}
		const kept = `msg="keeping the present connection`
		if told, quietly := w.log.lines(kept, "level=WARN"), w.log.lines(kept, "level=DEBUG"); len(told) != 1 || len(quietly) < 60 {
			t.Errorf("told %d times, and %d times to who debugs it; want once", len(told), len(quietly))
		}
		f.rule(refuse(refusedKey())) // for another reason
		w.pass(10 * time.Minute)
		if told := w.log.lines(kept, "level=WARN"); len(told) != 2 {
			t.Errorf("told %d times, want once for each reason", len(told))
		}
		f.rule(nil)
		w.pass(time.Minute)
		if w.Status().Replacements != 1 {
			t.Errorf("not replaced when it could be\n%s", w.log)
		}
		w.finish()
	})
}

func TestExpiringCertificate(t *testing.T) {
	for name, c := range map[string]struct {
		renewed bool
		want    int // sessions in ten hours
	}{"renewed": {true, 2}, "not renewed": {false, 3}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fakeTunnel{}
				end := time.Now().Add(8 * time.Hour).Round(0)
				f.connect = func(_ context.Context, n int) (*fakeSession, error) {
					s := newFakeSession(n)
					s.expires = end
					if c.renewed && n > 1 {
						s.expires = end.Add(8 * time.Hour)
					}
					return s, nil
				}
				w := start(t, options(), f)
				w.pass(8*time.Hour - expiryLead - time.Minute)
				if f.count() != 1 {
					t.Error("replaced too soon")
				}
				w.pass(2 * time.Hour)
				w.expect(Up)
				if n := f.count(); n != c.want {
					t.Errorf("%d sessions, want %d\n%s", n, c.want, strings.Join(w.log.lines("replaced"), ""))
				}
				w.finish()
			})
		})
	}
}

// A new certificate is picked up without a cut: the server does not look at the old one again, so that a quiet connection goes on, as
// it does with ssh. It was reset after TunneldDrain, each time that a certificate was renewed.
func TestQuietConnectionOutlivesACertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := time.Now().Add(8 * time.Hour).Round(0)
		f := &fakeTunnel{connect: func(_ context.Context, n int) (*fakeSession, error) {
			s := newFakeSession(n)
			if n == 1 {
				s.expires = end
			}
			return s, nil
		}}
		w := start(t, options(), f)
		old := f.session(t)
		old.set(func(s *fakeSession) { s.open = 1 })
		w.pass(8 * time.Hour)
		if f.count() != 2 {
			t.Fatalf("%d sessions, want a second with the new certificate", f.count())
		}
		w.pass(24 * time.Hour)
		if old.Err() != nil {
			t.Errorf("cut: %v\n%s", old.Err(), w.log)
		}
		w.finish()
	})
}

// Certificates of a few seconds are renewed as well, and one that nobody renewed is not asked for again and again.
func TestShortCertificate(t *testing.T) {
	for name, renewed := range map[string]bool{"renewed": true, "not renewed": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				end := time.Now().Add(20 * time.Second).Round(0)
				f := &fakeTunnel{connect: func(_ context.Context, n int) (*fakeSession, error) {
					s := newFakeSession(n)
					s.expires = end
					if renewed && n > 1 {
						s.expires = end.Add(8 * time.Hour)
					}
					return s, nil
				}}
				w := start(t, options(), f)
				w.pass(12 * time.Second)
				if f.count() != 1 {
					t.Error("replaced too soon")
				}
				w.pass(6 * time.Second)
				if f.count() != 2 {
					t.Error("not replaced in time")
				}
				w.pass(time.Minute)
				w.expect(Up)
				if n := f.count(); n != 2 {
					t.Errorf("%d sessions, want 2\n%s", n, strings.Join(w.log.lines("replaced"), ""))
				}
				w.finish()
			})
		})
	}
}

// It is renewed before its end where there is nothing else to look for in time, too.
func TestShortCertificateOfAQuietSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.ServerAliveInterval, o.EchoInterval = 0, 0
		w := start(t, o, &fakeTunnel{connect: func(_ context.Context, n int) (*fakeSession, error) {
			s := newFakeSession(n)
			s.expires = time.Now().Add(14 * time.Second * time.Duration(n*n*n*n)).Round(0)
			return s, nil
		}})
		w.pass(10 * time.Second)
		if n := w.tunnel.count(); n != 2 {
			t.Errorf("%d sessions, four seconds before the end of the first one's certificate", n)
		}
		w.finish()
	})
}

// The data path fails while keepalives are answered: said at once, replaced after three failures.
func TestEchoFails(t *testing.T) {
	for name, failure := range map[string]error{"refused": errors.New("connect failed"), "silent": errHang} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := start(t, options(), &fakeTunnel{})
				w.pass(30 * time.Second)
				s := w.tunnel.session(t)
				s.set(func(s *fakeSession) { s.badEcho = failure })
				w.pass(70 * time.Second)
				w.expect(Suspect)
				if why := w.Status().Why; !strings.Contains(why, "data path") {
					t.Errorf("why %q", why)
				}
				if s.Err() != nil {
					t.Fatal("given up at the first failure")
				}
				w.pass(2 * time.Minute)
				w.expect(Up)
				if w.tunnel.session(t) == s || w.Status().Replacements != 1 {
					t.Errorf("not replaced\n%s", w.log)
				}
				w.finish()
			})
		})
	}
}

func TestEchoRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, options(), &fakeTunnel{})
		w.pass(30 * time.Second)
		s := w.tunnel.session(t)
		s.set(func(s *fakeSession) { s.badEcho = errors.New("connect failed") })
		w.pass(45 * time.Second)
		w.expect(Suspect)
		s.set(func(s *fakeSession) { s.badEcho = nil })
		w.pass(time.Minute)
		w.expect(Up)
		if w.tunnel.count() != 1 {
			t.Error("replaced for one failure")
		}
		w.finish()
	})
}

// An echo that never worked is no suspicion, and is said once; a new session would do no better.
func TestEchoThatNeverWorkedIsUnavailable(t *testing.T) {
	for name, failure := range map[string]error{"refused": errors.New("connect failed"), "silent": errHang} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fakeTunnel{connect: func(_ context.Context, n int) (*fakeSession, error) {
					s := newFakeSession(n)
					s.badEcho = failure
					return s, nil
				}}
				w := start(t, options(), f)
				for range 3600 {
					w.pass(time.Second)
					w.expect(Up)
				}
				if n := f.count(); n != 1 {
					t.Errorf("%d sessions", n)
				}
				if w.Status().EchoVoid == "" || w.Status().Sessions[0].EchoVoid == "" {
					t.Error("the status does not say so")
				}
				if err := w.Reconnect(t.Context()); err != nil {
					t.Error(err)
				}
				if w.Status().EchoVoid != "" {
					t.Error("said of the new session before it was tried")
				}
				w.pass(time.Hour)
				w.expect(Up)
				if said := w.log.lines("no echo probes", "level=INFO"); len(said) != 1 {
					t.Errorf("said %d times:\n%s", len(said), w.log)
				}
				w.finish()
			})
		})
	}
}

// An echo that works late works.
func TestEchoThatWorksLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := newFakeSession(1)
		first.badEcho = errors.New("connect failed")
		w := start(t, options(), &fakeTunnel{connect: func(context.Context, int) (*fakeSession, error) { return first, nil }})
		w.pass(30 * time.Second)
		first.set(func(s *fakeSession) { s.badEcho = nil })
		w.pass(time.Minute)
		if s := w.Status(); s.EchoVoid != "" || s.EchoRTT == 0 {
			t.Errorf("unavailable %q, round trip %v", s.EchoVoid, time.Duration(s.EchoRTT))
		}
		first.set(func(s *fakeSession) { s.badEcho = errors.New("connect failed") })
		w.pass(time.Minute)
		w.expect(Suspect)
		w.finish()
	})
}

// A keepalive that was on its way when the echo failed says nothing of what came later.
func TestEchoIsBlamedOnlyByALaterKeepalive(t *testing.T) {
	now := time.Now()
	e := newEcho(options(), now)
	e.answered(nil)
	e.suspect(errEchoLate, now)
	if e.confirmed(now.Add(-time.Second)) {
		t.Error("blamed by a keepalive that was sent before")
	}
	if !e.confirmed(now.Add(time.Second)) || e.failed != 1 {
		t.Error("not blamed by one that was sent after")
	}
	if e.confirmed(now.Add(2 * time.Second)) {
		t.Error("blamed twice")
	}
}

func TestEchoUnsupportedIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTunnel{connect: func(_ context.Context, n int) (*fakeSession, error) {
			s := newFakeSession(n)
			s.badEcho = tunnel.ErrEchoUnavailable
			return s, nil
		}}
		w := start(t, options(), f)
		w.pass(time.Hour)
		w.expect(Up)
		if w.Status().EchoVoid == "" {
			t.Error("the status does not say so")
		}
		w.finish()
	})
}

// Who has asked for an echo by name learns that there is none; who has not is left in peace.
func TestEchoThatIsRefusedIsAWarningWhereItWasAskedFor(t *testing.T) {
	for name, c := range map[string]struct {
		echo  config.Echo
		level string
	}{
		"auto":    {config.Echo{Mode: config.EchoAuto}, "level=DEBUG"},
		"a port":  {config.Echo{Mode: config.EchoPort, Port: 7}, "level=WARN"},
		"service": {config.Echo{Mode: config.EchoService, Port: 7}, "level=WARN"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := options()
				o.Echo = c.echo
				w := start(t, o, &fakeTunnel{connect: func(_ context.Context, n int) (*fakeSession, error) {
					s := newFakeSession(n)
					s.badEcho = tunnel.ErrEchoUnavailable
					return s, nil
				}})
				w.pass(10 * time.Minute)
				if err := w.Reconnect(t.Context()); err != nil {
					t.Error(err)
				}
				w.pass(10 * time.Minute)
				if said := w.log.lines(`msg="no echo probes`); len(said) != 1 || !strings.Contains(said[0], c.level) {
					t.Errorf("said %q, want one line with %s", said, c.level)
				}
				w.finish()
			})
		})
	}
}

// An echo that is not answered because nothing is, is the transport's failure.
func TestEchoOverAFrozenLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.ServerAliveInterval, o.EchoInterval = 300*time.Second, 20*time.Second
		w := start(t, o, onlyOnce())
		w.pass(time.Minute)
		s := w.tunnel.session(t)
		s.freeze()
		w.pass(40 * time.Second)
		w.expect(Suspect)
		if why := w.Status().Why; strings.Contains(why, "data path") {
			t.Errorf("why %q", why)
		}
		s.thaw()
		w.pass(21 * time.Second)
		w.finish()
	})
}
