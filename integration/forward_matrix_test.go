package integration

import (
	"fmt"
	"testing"
)

// Every kind of forward, listening on every kind of address, towards every kind of target, with ssh on the same command
// line beside tunneld: what one carries the other carries, what one refuses the other refuses.

// matrixSize is what each way carries in both directions at once. ssh shows that a test is right; that takes less.
var matrixSize = map[program]int64{openSSH: 256 << 10, tunneld: 64 << 20}

func TestEveryForwardOverEveryNetwork(t *testing.T) {
	for _, p := range carriers {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			l, ways := openMatrix(t, p)
			for _, w := range ways {
				t.Run(w.name, func(t *testing.T) {
					size := int64(256 << 10)
					if w.full {
						size = matrixSize[p]
					}
					check(t, echoTransfer(w.ask(t, "echo"), 1, size))
					w.clientEndsFirst(t)
					w.targetEndsFirst(t)
					w.clientAborts(t)
					w.targetAborts(t)
					w.refused(t)
					check(t, exchange(w.ask(t, "echo"), "all is well", patience))
				})
			}
			if p == tunneld { // ssh ends with its connection
				l.cutMidTransfer(t, ways)
			}
		})
	}
}

// openMatrix runs a program with all forwards at once.
func openMatrix(t *testing.T, p program) (*lab, []way) {
	t.Helper()
	l := newLab(t)
	var ways []way
	var flags []string
	targets := make(map[string]*scripts)
	for _, network := range families {
		targets[network] = startScripts(t, network)
	}
	for _, listen := range families {
		for _, to := range families {
			for _, kind := range []string{"L", "R", "D", "R dynamic"} {
				w, ok := newWay(t, kind, listen, to, targets[to])
				if !ok || p == openSSH && kind == "R dynamic" && listen == "unix" { // ssh listens there and refuses everybody
					continue
				}
				w.full = listen == to || listen == "unix" && to == "IPv4"
				ways = append(ways, w)
				flags = append(flags, append(w.flags, w.nobody.flags...)...)
			}
		}
	}
	var all []route
	for _, w := range ways {
		all = append(all, route{w.name, nil, w.network, w.address, w.agree})
	}
	l.open(p, all, flags...)
	return l, ways
}

// families are the kinds of addresses.
var families = []string{"IPv4", "IPv6", "unix"}

// newWay describes a forward; not ok where the kind does not go there: proxies know no Unix sockets.
func newWay(t *testing.T, kind, listen, to string, target *scripts) (way, bool) {
	name := fmt.Sprintf("%s %s to %s", kind, listen, to)
	_, nobody := freshAddress(t, to)
	option, dynamic := "-"+kind[:1], kind != "L" && kind != "R"
	if dynamic && to == "unix" {
		return way{}, false
	}
	leading := func(target string) route {
		network, address := freshAddress(t, listen)
		if dynamic {
			return route{name, []string{option, address}, network, address, socks5(target)}
		}
		return route{name, []string{option, address + ":" + target}, network, address, nothing}
	}
	w := way{route: leading(target.address), remote: option == "-R", target: target}
	if dynamic {
		w.nobody = route{name, nil, w.network, w.address, socks5(nobody)}
	} else {
		w.nobody = leading(nobody)
	}
	return w, true
}
