package bind

import "net"

// TakesBothFamilies is false: nobody hands sockets over there, and ours are of one family each.
func TakesBothFamilies(net.Listener) bool { return false }
