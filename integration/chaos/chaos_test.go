package chaos

import (
	"fmt"
	"github.com/tunneld/tunneld/integration/lab"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// The chaos tests let everything that happens to servers and networks happen to tunneld, in a random order, while clients
// carry checksummed streams and short requests through -L, -R and -D all the time, and account for every one of them.
//
// CHAOS_TIME is how long each goes on (a Go duration), CHAOS_SEED repeats the schedule of a run that printed it.
// `make chaos` runs them for long; an ordinary test run has the short form.

const (
	chaosShort    = 12 * time.Second // the short form; what is under way at its end is brought to its end
	chaosInterval = 1                // ServerAliveInterval, in seconds
	chaosCount    = 3                // ServerAliveCountMax
	chaosBack     = 20 * time.Second // until all is well again after an event, at most
)

// chaosOptions are the alias's, besides what the scene needs to reach the server.
var chaosOptions = []string{
	fmt.Sprint("ServerAliveInterval ", chaosInterval), fmt.Sprint("ServerAliveCountMax ", chaosCount),
	"ConnectTimeout 2", "TunneldBackoffMax 1", "TunneldEchoInterval 2", "RekeyLimit 1M",
}

// chaosServer is how a server should be set up that clients hold ports of: it notices those that went away. It begins key
// exchanges all the time, in the middle of everything.
var chaosServer = []string{"ClientAliveInterval 1", "ClientAliveCountMax 3", "RekeyLimit 1M 3"}

func TestChaosBehindARelay(t *testing.T) {
	t.Parallel()
	runChaos(t, relayScene, 1)
}

func TestChaosInNamespaces(t *testing.T) {
	t.Parallel()
	runChaos(t, networkScene, 1)
}

func TestChaosWithSeveralConnections(t *testing.T) {
	t.Parallel()
	runChaos(t, relayScene, 3)
}

func TestChaosWithAServerThatBreaks(t *testing.T) {
	t.Parallel()
	runChaos(t, gatewayScene, 1)
}

// chaos is one run.
type chaos struct {
	t      *testing.T
	scene  *scene
	random *rand.Rand
	child  *lab.Child
	slots  int
	ledger *ledger
	events []*event
	long   time.Time // when something that takes long was last begun, or the run
}

// event is a calamity that happened.
type event struct {
	name    string
	planned bool
	begun   time.Time
	lifted  time.Time            // its cause is gone
	back    map[string]time.Time // by route: a connection begun after lifted was served
	mark    int                  // position in tunneld's log when it began
}

func runChaos(t *testing.T, set func(*testing.T) *scene, slots int) {
	seed, length := chaosSeed(t), chaosTime(t)
	t.Logf("CHAOS_SEED=%d CHAOS_TIME=%v", seed, length)
	s := set(t)
	s.configure(chaosOptions...)
	ways, l := newLedger(s), s.lab
	flags := []string{"-o", fmt.Sprint("TunneldConnections=", slots)}
	for _, w := range ways.routes {
		flags = append(flags, w.Flags...)
	}
	fresh := l.Start(lab.Tunneld, flags...)
	ways.waitServed(t, time.Now())
	before := lab.Goroutines(t, fresh)

	s.child = l.Start(lab.Tunneld, flags...)
	r := &chaos{t: t, scene: s, random: rand.New(rand.NewPCG(seed, 0)), child: s.child, slots: slots, ledger: ways, long: time.Now()}
	ways.waitServed(t, time.Now())
	files, kinds := lab.Settled(r.child)
	ways.start(seed)
	for deadline := time.Now().Add(length); time.Now().Before(deadline); {
		r.happen(r.choose())
		if t.Failed() {
			break
		}
	}
	ways.stop()
	r.report()
	if t.Failed() {
		return
	}
	if !lab.Within(lab.Patience, func() bool { n, _ := lab.Descriptors(r.child.Pid()); return n <= files }) {
		n, now := lab.Descriptors(r.child.Pid())
		t.Errorf("%d descriptors at the end, %d at the start: %v, before %v", n, files, now, kinds)
	}
	before.Compare(t, r.child)
}

// choose returns the next calamity.
func (r *chaos) choose() calamity {
	for {
		c := r.scene.calamities[r.random.IntN(len(r.scene.calamities))]
		if c.seldom == 0 {
			return c
		}
		if time.Since(r.long) > c.seldom {
			r.long = time.Now()
			return c
		}
	}
}

// happen lets one calamity begin and end, and waits until everything works again.
func (r *chaos) happen(c calamity) {
	r.t.Helper()
	e := &event{name: c.name, planned: c.planned, mark: r.child.Mark()}
	r.events = append(r.events, e)
	e.begun = time.Now()
	c.begin()
	if c.end != nil {
		r.pass(c.shortest + time.Duration(r.random.Int64N(int64(c.longest-c.shortest)+1)))
		c.end()
	}
	e.lifted = time.Now()
	e.back = r.ledger.waitServed(r.t, e.lifted)
	r.pass(time.Duration(r.random.Int64N(int64(time.Second))))
}

// pass lets time go by. tunneld may not end meanwhile.
func (r *chaos) pass(d time.Duration) {
	r.t.Helper()
	lab.Never(r.t, d, "tunneld has ended", func() bool { return !r.child.Running() })
}

func chaosSeed(t *testing.T) uint64 {
	text := os.Getenv("CHAOS_SEED")
	if text == "" {
		return rand.Uint64() % 1_000_000
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("CHAOS_SEED: %v", err)
	}
	return seed
}

func chaosTime(t *testing.T) time.Duration {
	text := os.Getenv("CHAOS_TIME")
	if text == "" {
		return chaosShort
	}
	length, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("CHAOS_TIME: %v", err)
	}
	return length
}
