package monitor

import (
	"testing"
	"testing/synctest"
	"time"
)

// A session that was silent for less than ServerAliveInterval × CountMax answers again after it was replaced: its quiet
// connections go on until it is dead by the rule of ssh.
func TestQuietConnectionsOutliveALateSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, options(), &fakeTunnel{})
		w.pass(5 * time.Minute)
		old := w.tunnel.session(t)
		old.set(func(s *fakeSession) { s.open = 1 })
		old.freeze()
		w.pass(23 * time.Second)
		if w.tunnel.session(t) == old {
			t.Fatal("not replaced")
		}
		old.thaw()
		w.pass(24 * time.Hour)
		if old.Err() != nil {
			t.Fatalf("cut: %v\n%s", old.Err(), w.log)
		}
		old.freeze()
		w.pass(44 * time.Second)
		if old.Err() == nil {
			w.pass(2 * time.Second)
		}
		if old.Err() == nil {
			t.Error("it lives on though it is dead")
		}
		w.finish()
	})
}

func TestQuietConnectionsOfALateSessionEndWithMaxLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.MaxLifetime = time.Hour
		w := start(t, o, &fakeTunnel{})
		w.pass(5 * time.Minute)
		old := w.tunnel.session(t)
		old.set(func(s *fakeSession) { s.open = 1 })
		old.freeze()
		w.pass(23 * time.Second)
		old.thaw()
		w.pass(54 * time.Minute)
		if old.Err() != nil {
			t.Fatalf("cut: %v\n%s", old.Err(), w.log)
		}
		w.pass(time.Minute)
		if old.Err() == nil {
			t.Error("it is older than TunneldMaxLifetime and TunneldDrain together")
		}
		w.finish()
	})
}

// Who asks for a replacement of a session that is late does not wait for it.
func TestQuietConnectionsOfASessionThatWasAskedToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, options(), &fakeTunnel{})
		w.pass(5 * time.Minute)
		old := w.tunnel.session(t)
		old.set(func(s *fakeSession) { s.open = 1 })
		old.freeze()
		w.pass(time.Second)
		w.servedWithin(time.Second)
		w.pass(11 * time.Second)
		if old.Err() == nil {
			t.Error("it lives on after TunneldDrain")
		}
		w.finish()
	})
}

// A shell at its prompt carries nothing, and is in use.
func TestQuietShellOutlivesTunneldDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, options(), &fakeTunnel{})
		w.pass(5 * time.Minute)
		old := w.tunnel.session(t)
		old.set(func(s *fakeSession) { s.open, s.prompts = 2, 1 })
		w.servedWithin(time.Second)
		w.pass(24 * time.Hour)
		if old.Err() != nil {
			t.Fatalf("cut: %v\n%s", old.Err(), w.log)
		}
		old.set(func(s *fakeSession) { s.open, s.prompts = 1, 0 })
		w.pass(20 * time.Second)
		if old.Err() == nil {
			t.Error("the quiet connection beside the shell lives on after that has ended")
		}
		w.finish()
	})
}

// A second signal to stop waited for the connections of sessions that had been replaced before, and left them as if they had ended
// well.
func TestCutEndsRetiredSessionsAsWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.Drain = time.Hour
		w := start(t, o, &fakeTunnel{})
		w.pass(time.Minute)
		old := w.tunnel.session(t)
		old.set(func(s *fakeSession) { s.open = 1 })
		w.servedWithin(time.Second)
		synctest.Wait() // else Shutdown finds it in service, and serves it to its end itself
		w.stop()
		w.pass(time.Minute)
		if old.Err() != nil {
			t.Errorf("it was cut before anybody asked for that: %v", old.Err())
		}
		w.Cut()
		synctest.Wait()
		if old.Err() == nil {
			t.Error("its connection goes on")
		}
		<-w.ended
	})
}

// A process that was stopped for a while, as by `docker pause`, has neither carried anything nor heard an answer: the transfers of a
// session that was replaced go on. They were cut.
func TestOversleepingIsNotTheTransfersFault(t *testing.T) {
	for _, stopped := range []time.Duration{20 * time.Second, time.Hour} { // longer than TunneldDrain, and than a dead server is waited for
		synctest.Test(t, func(t *testing.T) {
			w := start(t, options(), &fakeTunnel{})
			w.pass(5 * time.Minute)
			old := w.tunnel.session(t)
			old.set(func(s *fakeSession) { s.open = 1 })
			w.servedWithin(time.Second)
			carry := func() { old.set(func(s *fakeSession) { s.carried++ }) }
			for range 20 { // it moves all the time
				carry()
				w.pass(time.Second)
			}
			old.freeze() // who does not run gets no answer
			w.pass(5 * time.Second)
			old.set(func(s *fakeSession) { s.nap = stopped })
			w.pass(stopped + 5*time.Second)
			old.thaw()
			for range 20 {
				carry()
				w.pass(time.Second)
			}
			if old.Err() != nil {
				t.Fatalf("cut after %v: %v\n%s", stopped, old.Err(), w.log)
			}
			w.pass(15 * time.Second)
			if old.Err() == nil {
				t.Error("it lives on though nothing moves")
			}
			w.finish()
		})
	}
}
