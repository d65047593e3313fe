package tunnel

import (
	"net"
	"slices"
)

// Homeless reports that no interface of this machine has the address any more that the connection was made from. It may come
// back, but until then nothing gets through. It is false where there is no such address, as behind a ProxyCommand.
func (s *Session) Homeless() bool {
	first := s.link
	for first.Via != nil {
		first = first.Via
	}
	local, ok := first.Wire.LocalAddr().(*net.TCPAddr)
	if !ok || local.Port == 0 {
		return false
	}
	addresses, err := net.InterfaceAddrs()
	return err == nil && !slices.ContainsFunc(addresses, func(a net.Addr) bool {
		own, ok := a.(*net.IPNet)
		return ok && (own.IP.Equal(local.IP) || own.IP.IsLoopback() && local.IP.IsLoopback())
	})
}
