package main

import (
	"runtime"

	"github.com/tunneld/tunneld/tunnel/pace"
)

// heapHeadroom is what may be allocated between two garbage collections, besides what Go allows by itself. The SSH library
// allocates every packet that it receives, 32 KiB each; with a live heap of a megabyte Go collects 50 times a second in a
// fast download, at a third of all CPU time. A higher GOGC would do the same and also multiply a large heap.
const heapHeadroom = 8 << 20

// keepHeadroom holds memory that is never touched: it counts towards the size at which garbage is collected, and takes no
// room. The function that it returns lets go.
func keepHeadroom() (release func()) {
	untouched := make([]byte, heapHeadroom)
	return func() { runtime.KeepAlive(untouched) }
}

// useCores has the process use as many cores as the connections of these tunnels are worth.
func useCores(plans []tunnelPlan) {
	connections := 0
	for _, plan := range plans {
		connections += plan.options.Connections
	}
	pace.Use(connections)
}
