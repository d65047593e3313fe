package netmon

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	quiet = 200 * time.Millisecond // events that follow each other faster are one change
	burst = time.Second            // but it is told after so long at the latest
)

// watchNetwork calls changed when addresses, routes or links have changed, until ctx ends (rtnetlink(7)). A burst of events
// is one change.
func watchNetwork(ctx context.Context, changed func()) error {
	socket, err := listenNetwork()
	if err != nil {
		return err
	}
	return followNetwork(ctx, socket, changed)
}

// followNetwork is watchNetwork with a socket, which it closes.
func followNetwork(ctx context.Context, socket *os.File, changed func()) error {
	stop := context.AfterFunc(ctx, func() { socket.Close() })
	defer stop()
	defer socket.Close()
	events := make(chan struct{}, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		debounce(events, changed)
	}()
	err := readNetwork(socket, events)
	close(events)
	<-done
	if ctx.Err() != nil { // the socket was closed
		return nil
	}
	return err
}

// listenNetwork returns a socket that the runtime polls. Events come in the network namespace of the thread that made it.
func listenNetwork() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("netlink socket: %w", err)
	}
	groups := &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_LINK |
		unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR | unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_ROUTE}
	if err := unix.Bind(fd, groups); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("netlink bind: %w", err)
	}
	return os.NewFile(uintptr(fd), "netlink"), nil
}

// readNetwork sends to events for each message that matters, until reading fails.
func readNetwork(socket *os.File, events chan<- struct{}) error {
	seen := make(network)
	raw, err := socket.SyscallConn()
	if err != nil {
		return fmt.Errorf("netlink socket: %w", err)
	}
	for {
		datagram, err := receive(raw)
		switch {
		case errors.Is(err, unix.ENOBUFS): // the kernel has thrown events away: there were some
		case err != nil:
			return fmt.Errorf("netlink read: %w", err)
		case !seen.changedBy(datagram):
			continue
		}
		select {
		case events <- struct{}{}:
		default:
		}
	}
}

// receive waits for a datagram. Its buffer is as large as what has come: the largest that the kernel sends would be held for ever.
func receive(socket syscall.RawConn) (datagram []byte, err error) {
	waited := socket.Read(func(fd uintptr) bool {
		size, _, failed := unix.Recvfrom(int(fd), nil, unix.MSG_PEEK|unix.MSG_TRUNC)
		if failed == nil {
			datagram = make([]byte, size)
			size, _, failed = unix.Recvfrom(int(fd), datagram, unix.MSG_DONTWAIT)
			datagram = datagram[:max(0, size)]
		}
		err = failed
		return !errors.Is(err, unix.EAGAIN)
	})
	if waited != nil {
		return nil, waited
	}
	return datagram, err
}

// network is what was last said of each address and link, because the kernel repeats itself: addresses learned from router
// advertisements are announced with each of them, links with each scan for Wi-Fi.
type network map[string]string

// changedBy takes over a datagram of messages, and reports whether any of them is news.
func (n network) changedBy(datagram []byte) bool {
	news := false
	for len(datagram) >= unix.SizeofNlMsghdr {
		size := int(binary.NativeEndian.Uint32(datagram))
		kind := binary.NativeEndian.Uint16(datagram[4:])
		if size < unix.SizeofNlMsghdr || size > len(datagram) {
			return true // not understood: better one probe too many
		}
		news = n.changedByOne(kind, datagram[unix.SizeofNlMsghdr:size]) || news
		datagram = datagram[min(len(datagram), (size+3)&^3):]
	}
	return news
}

func (n network) changedByOne(kind uint16, body []byte) bool {
	switch kind {
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		if len(body) < unix.SizeofIfAddrmsg {
			return true
		}
		// The scope and flags may change while the address stays (tentative, deprecated): they are not part of the key.
		key := "address " + string(body[4:8]) + attribute(body[unix.SizeofIfAddrmsg:], unix.IFA_ADDRESS)
		return n.learn(key, "", kind == unix.RTM_DELADDR)
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		if len(body) < unix.SizeofIfInfomsg {
			return true
		}
		flags := binary.NativeEndian.Uint32(body[8:]) & (unix.IFF_UP | unix.IFF_RUNNING)
		return n.learn("link "+string(body[4:8]), fmt.Sprint(flags), kind == unix.RTM_DELLINK)
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		return len(body) < unix.SizeofRtMsg || routes(body)
	}
	return false
}

// routes reports whether a route is one that packets to a server may take: not a cached one, nor one to ourselves or to many.
func routes(body []byte) bool {
	table, kind, flags := body[4], body[7], binary.NativeEndian.Uint32(body[8:])
	return flags&unix.RTM_F_CLONED == 0 && table != unix.RT_TABLE_LOCAL && kind != unix.RTN_MULTICAST
}

// learn records what is said of key, and reports whether it is news.
func (n network) learn(key, value string, gone bool) bool {
	old, known := n[key]
	if gone {
		delete(n, key)
		return true
	}
	n[key] = value
	return !known || old != value
}

// attribute returns the value of an attribute (rtnetlink(7), struct rtattr); empty: it is not there.
func attribute(list []byte, kind uint16) string {
	for len(list) >= unix.SizeofRtAttr {
		size := int(binary.NativeEndian.Uint16(list))
		if size < unix.SizeofRtAttr || size > len(list) {
			return ""
		}
		if binary.NativeEndian.Uint16(list[2:]) == kind {
			return string(list[unix.SizeofRtAttr:size])
		}
		list = list[min(len(list), (size+3)&^3):]
	}
	return ""
}

// debounce calls changed once for a burst of events, until events is closed.
func debounce(events <-chan struct{}, changed func()) {
	for range events {
		latest := time.After(burst)
		for pending := true; pending; {
			select {
			case _, more := <-events:
				if !more {
					return
				}
			case <-time.After(quiet):
				pending = false
			case <-latest:
				pending = false
			}
		}
		changed()
	}
}
