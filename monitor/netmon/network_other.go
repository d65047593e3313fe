//go:build !linux

package netmon

import "context"

// watchNetwork does nothing: this system's network events are not read. Keepalives notice what they can.
func watchNetwork(ctx context.Context, changed func()) error {
	<-ctx.Done()
	return nil
}
