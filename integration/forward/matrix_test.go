package forward

import (
	"fmt"
	"github.com/tunneld/tunneld/integration/lab"
	"testing"
)

// Every kind of forward, listening on every kind of address, towards every kind of target, with ssh on the same command
// line beside tunneld: what one carries the other carries, what one refuses the other refuses.

// matrixSize is what each way carries in both directions at once. ssh shows that a test is right; that takes less.
var matrixSize = map[lab.Program]int64{lab.OpenSSH: 256 << 10, lab.Tunneld: 64 << 20}

func TestEveryForwardOverEveryNetwork(t *testing.T) {
	for _, p := range carriers {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			l, ways := openMatrix(t, p)
			for _, w := range ways {
				t.Run(w.Name, func(t *testing.T) {
					size := int64(256 << 10)
					if w.Full {
						size = matrixSize[p]
					}
					lab.Check(t, lab.EchoTransfer(w.Ask(t, "echo"), 1, size))
					w.ClientEndsFirst(t)
					w.TargetEndsFirst(t)
					w.ClientAborts(t)
					w.TargetAborts(t)
					w.Refused(t)
					lab.Check(t, lab.Exchange(w.Ask(t, "echo"), "all is well", lab.Patience))
				})
			}
			if p == lab.Tunneld { // ssh ends with its connection
				l.CutMidTransfer(t, ways)
			}
		})
	}
}

// openMatrix runs a program with all forwards at once.
func openMatrix(t *testing.T, p lab.Program) (*lab.Lab, []lab.Way) {
	t.Helper()
	l := lab.New(t)
	var ways []lab.Way
	var flags []string
	targets := make(map[string]*lab.Scripts)
	for _, network := range families {
		targets[network] = lab.StartScripts(t, network)
	}
	for _, listen := range families {
		for _, to := range families {
			for _, kind := range []string{"L", "R", "D", "R dynamic"} {
				w, ok := newWay(t, kind, listen, to, targets[to])
				if !ok || p == lab.OpenSSH && kind == "R dynamic" && listen == "unix" { // ssh listens there and refuses everybody
					continue
				}
				w.Full = listen == to || listen == "unix" && to == "IPv4"
				ways = append(ways, w)
				flags = append(flags, append(w.Flags, w.Nobody.Flags...)...)
			}
		}
	}
	var all []lab.Route
	for _, w := range ways {
		all = append(all, lab.Route{Name: w.Name, Flags: nil, Network: w.Network, Address: w.Address, Agree: w.Agree})
	}
	l.Open(p, all, flags...)
	return l, ways
}

// families are the kinds of addresses.
var families = []string{"IPv4", "IPv6", "unix"}

// newWay describes a forward; not ok where the kind does not go there: proxies know no Unix sockets.
func newWay(t *testing.T, kind, listen, to string, target *lab.Scripts) (lab.Way, bool) {
	name := fmt.Sprintf("%s %s to %s", kind, listen, to)
	_, nobody := lab.FreshAddress(t, to)
	option, dynamic := "-"+kind[:1], kind != "L" && kind != "R"
	if dynamic && to == "unix" {
		return lab.Way{}, false
	}
	leading := func(target string) lab.Route {
		network, address := lab.FreshAddress(t, listen)
		if dynamic {
			return lab.Route{Name: name, Flags: []string{option, address}, Network: network, Address: address, Agree: lab.Socks5(target)}
		}
		return lab.Route{Name: name, Flags: []string{option, address + ":" + target}, Network: network, Address: address, Agree: lab.Nothing}
	}
	w := lab.Way{Route: leading(target.Address), Remote: option == "-R", Target: target}
	if dynamic {
		w.Nobody = lab.Route{Name: name, Flags: nil, Network: w.Network, Address: w.Address, Agree: lab.Socks5(nobody)}
	} else {
		w.Nobody = leading(nobody)
	}
	return w, true
}
