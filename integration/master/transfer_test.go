package master

import (
	"crypto/sha256"
	"io"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
)

// volume is how much goes each way at once, in bytes: TUNNELD_MASTER_BYTES (make bench-master: 1 GiB), else what is soon done.
func volume(t *testing.T) int64 {
	t.Helper()
	text := os.Getenv("TUNNELD_MASTER_BYTES")
	if text == "" {
		return 64 << 20
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// plain starts a tunneld without the race detector as a master: for what is measured, and for much.
func plain(t *testing.T, lines ...string) *side {
	t.Helper()
	s := newSide(t, lab.Tunneld, lab.StartSSHD(t), lines...)
	s.Plain = true
	s.start(t, lab.Tunneld)
	return s
}

// A session carries a great deal both ways at once, and every bit of it.
func TestMuchBothWays(t *testing.T) {
	t.Parallel()
	s, size := plain(t), volume(t)
	cmd := s.client(t.Context(), s.words(lab.Alias, "cat")...)
	sent, got := sha256.New(), sha256.New()
	cmd.Stdin, cmd.Stdout = io.TeeReader(lab.Stream(1, size), sent), got
	began := time.Now()
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if string(sent.Sum(nil)) != string(got.Sum(nil)) {
		t.Error("something else came back")
	}
	took := time.Since(began)
	t.Logf("%d MiB there and back in %v; peak memory of tunneld %d MiB", size>>20, took.Round(time.Millisecond), lab.StatusValue(t, s.master.Pid(), "VmHWM")>>10)
}

const (
	slowReaders = 4
	slowBytes   = 32 << 20 // for each of them
	slowWindow  = 4 << 20  // for each: 2 MiB that the server may send, and what is on its way in sockets and pipes
	slowMemory  = 48 << 10 // KiB, for all, with what the garbage collector has not got round to
)

// Who does not read holds up a window of bytes, no memory and nobody else. When he reads at last, all is there.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	s := plain(t)
	s.must(t, "", s.words(lab.Alias, "true")...)
	path, sum := randomFile(t, s.Account.Path("much"), slowBytes)
	before := lab.StatusValue(t, s.master.Pid(), "VmRSS")
	var readers []io.Reader
	for range slowReaders {
		_, _, out := s.begin(t, "cat "+path)
		readers = append(readers, out)
	}
	received := func() int64 { return int64(s.Account.Status(lab.Alias).Tunnels[0].Sessions[0].BytesIn) }
	if n := stillAt(t, received); n > slowReaders*slowWindow {
		t.Errorf("%d MiB came for %d clients that do not read", n>>20, slowReaders)
	}
	if more := lab.StatusValue(t, s.master.Pid(), "VmRSS") - before; more > slowMemory {
		t.Errorf("%d KiB of memory more", more)
	} else {
		t.Logf("%d KiB of memory more for %d clients that do not read", more, slowReaders)
	}
	s.must(t, "", s.words(lab.Alias, "true")...)
	for _, out := range readers {
		got := sha256.New()
		if n, err := io.Copy(got, out); err != nil || [32]byte(got.Sum(nil)) != sum {
			t.Errorf("%d bytes, %v", n, err)
		}
	}
}

// stillAt waits until a count stands still, and returns it.
func stillAt(t *testing.T, count func() int64) (last int64) {
	t.Helper()
	const still = time.Second
	since := time.Now()
	last = count()
	lab.Eventually(t, lab.Patience, "it stands still", func() bool {
		if now := count(); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > still
	})
	return last
}

// A command that does not read is sent a window, and what fills the pipes.
func TestCommandThatDoesNotRead(t *testing.T) {
	t.Parallel()
	s := plain(t)
	cmd, in, _ := s.begin(t, "while echo more; do sleep 0.1; done")
	var written atomic.Int64
	go func() {
		for block := make([]byte, 32<<10); ; {
			n, err := in.Write(block)
			if written.Add(int64(n)); err != nil {
				return
			}
		}
	}()
	if n := stillAt(t, written.Load); n > 2*slowWindow {
		t.Errorf("%d MiB were taken from the client", n>>20)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if code := exitCode(t, cmd); code != 255 {
		t.Errorf("ended with %d", code)
	}
}

// A client that is killed, however that is done, takes its command along: its input ends, and it is written to in vain.
func TestDeathOfAClient(t *testing.T) {
	t.Parallel()
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t))
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			proof := s.Account.Path("proof." + strconv.Itoa(int(signal)))
			cmd, _, _ := s.begin(t, "trap '' PIPE; cat; while echo more 2>/dev/null; do sleep 0.02; done; touch "+proof)
			cmd.Process.Signal(signal)
			exitCode(t, cmd)
			lab.Eventually(t, lab.Patience, "the command has noticed", func() bool { return fileExists(proof) })
		})
	}
}

// Neither end of a pipe goes on alone: `ssh db yes | head -1`, and `yes | ssh db head -1`.
func TestOneEndOfAPipe(t *testing.T) {
	t.Parallel()
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t))
	ssh := "ssh -F " + s.Account.Path("config") + " " + lab.Alias
	proof := s.Account.Path("proof")
	for _, line := range []string{
		ssh + " 'yes; touch " + proof + "' | head -1",
		"{ yes; touch " + proof + "; } | " + ssh + " head -1",
	} {
		os.Remove(proof)
		if a := s.run(t, "", "sh", "-c", line); a.out != "y\n" {
			t.Errorf("%s: %v", line, a)
		}
		lab.Eventually(t, lab.Patience, "the other end has noticed", func() bool { return fileExists(proof) })
	}
}
