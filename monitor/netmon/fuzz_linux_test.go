package netmon

import (
	"encoding/binary"
	"maps"
	"testing"

	"golang.org/x/sys/unix"
)

// netlinkMessage is one message of a datagram (netlink(7)).
func netlinkMessage(kind uint16, body []byte) []byte {
	m := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(body)))
	m = binary.NativeEndian.AppendUint16(m, kind)
	m = append(m, make([]byte, unix.SizeofNlMsghdr-6)...)
	m = append(m, body...)
	return append(m, make([]byte, -len(m)&3)...)
}

// FuzzNetlink reads datagrams of the kernel. What is said twice is no news the second time, unless something is gone or was
// not understood.
func FuzzNetlink(f *testing.F) {
	address := append(make([]byte, unix.SizeofIfAddrmsg), 8, 0, unix.IFA_ADDRESS, 0, 192, 0, 2, 1)
	for _, kind := range []uint16{unix.RTM_NEWADDR, unix.RTM_DELADDR, unix.RTM_NEWLINK, unix.RTM_DELLINK, unix.RTM_NEWROUTE, unix.RTM_DELROUTE, unix.NLMSG_DONE} {
		f.Add(netlinkMessage(kind, address))
		f.Add(append(netlinkMessage(kind, address), netlinkMessage(kind, make([]byte, 40))...))
		f.Add(netlinkMessage(kind, nil))
	}
	f.Add([]byte{16, 0, 0, 0, 20, 0})
	f.Add(binary.NativeEndian.AppendUint32(nil, 15))
	f.Fuzz(func(t *testing.T, datagram []byte) {
		if len(datagram) > 64<<10 { // more than the kernel sends
			t.Skip()
		}
		seen := make(network)
		seen.changedBy(datagram)
		if len(seen) > len(datagram)/unix.SizeofNlMsghdr {
			t.Fatalf("%d things learned from %d bytes", len(seen), len(datagram))
		}
		before := maps.Clone(seen)
		seen.changedBy(datagram)
		if !maps.Equal(before, seen) {
			t.Errorf("% x said twice leads to %q, said once to %q", datagram, seen, before)
		}
	})
}
