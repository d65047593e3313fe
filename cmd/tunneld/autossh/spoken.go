package autossh

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"

	"golang.org/x/crypto/ssh"
)

// spoken is a line of ssh's, and the grade at which ssh says it.
type spoken struct {
	grade Grade
	text  string
}

// inWordsOfSSH returns what ssh (9.2) says where a record of ours tells the same, because people look for it; forward is the one
// that the record is about, as its option. all: that is all there is to say.
func inWordsOfSSH(r slog.Record, forward string) (lines []spoken, all bool) {
	f := fieldsOf(r)
	switch {
	case r.Level == slog.LevelWarn:
		return warned(f)
	case r.Message == "listening":
		return listening(f, forward), true
	case r.Level != slog.LevelDebug:
		return nil, false
	}
	switch address := f.address(); r.Message {
	case "connecting":
		return debug1("Connecting to %s [%s] port %d.", f.text("host"), address.Addr(), address.Port()), true
	case "connected":
		return debug1("Connection established."), true
	case "keys exchanged":
		return debug1("Server host key: %s %s", f.text("host_key"), f.text("fingerprint")), true
	case "offering public key":
		return debug1("Offering public key: %s", f.text("key")), true
	case "server accepts key":
		return debug1("Server accepts key: %s", f.text("key")), true
	case "authenticated":
		return authenticated(f), false
	}
	return nil, false
}

// authenticated returns what ssh says when it is in; by a proxy it knows no address.
func authenticated(f fields) []spoken {
	way := "via proxy"
	if a := f.address(); a.IsValid() {
		way = fmt.Sprintf("[%s]:%d", a.Addr(), a.Port())
	}
	said := spoken{Verbose, fmt.Sprintf("Authenticated to %s (%s) using \"%s\".", f.text("host"), way, f.text("method"))}
	return append([]spoken{said}, debug1("Entering interactive session.")...)
}

func debug1(format string, args ...any) []spoken {
	return []spoken{{Debug, "debug1: " + fmt.Sprintf(format, args...)}}
}

// warned is about forwards that are not there, here or at the server, and about targets that cannot be reached from there.
func warned(f fields) (lines []spoken, all bool) {
	err := f.err()
	var refused *ssh.OpenChannelError
	switch words, listen := ListenWords(err), f.text("listen"); {
	case err == nil:
		return nil, false
	case words != nil:
		for _, text := range words {
			lines = append(lines, spoken{Info, text})
		}
		return lines, true
	case errors.As(err, &refused):
		return []spoken{{Info, refusedWords(refused)}}, false
	case listen != "":
		_, port, splitErr := net.SplitHostPort(listen)
		if splitErr != nil {
			port = listen
		}
		return []spoken{{Info, "Warning: remote port forwarding failed for listen port " + port}, {Info, "tunneld: " + listen + ": " + err.Error()}}, true
	}
	return nil, false
}

// listening is a forward that listens, here or at the server.
func listening(f fields, forward string) (lines []spoken) {
	option, spec, _ := strings.Cut(forward, " ")
	if option != "-R" {
		for _, bound := range strings.Fields(f.text("listen")) {
			if host, port, err := net.SplitHostPort(bound); err == nil {
				lines = append(lines, debug1("Local forwarding listening on %s port %s.", host, port)...)
			} else {
				lines = append(lines, debug1("Local forwarding listening on path %s.", bound)...)
			}
		}
		return lines
	}
	listen, target := splitSpec(spec)
	lines = debug1("remote forward success for: listen %s, connect %s", listen, target)
	if listen == "0" || strings.HasSuffix(listen, ":0") {
		_, port, _ := net.SplitHostPort(f.text("listen"))
		lines = append(lines, spoken{Info, fmt.Sprintf("Allocated port %s for remote forward to %s", port, target)})
	}
	return lines
}

// splitSpec parts the argument of -R; target is "socks:0" where clients say it themselves, as for ssh.
func splitSpec(spec string) (listen, target string) {
	if i := strings.Index(spec, ":/"); i >= 0 {
		return spec[:i], spec[i+1:]
	}
	host := strings.LastIndexByte(spec, ':') // behind which the port is
	if host > 0 && spec[host-1] == ']' {
		host = strings.LastIndexByte(spec[:host], '[')
	}
	if i := strings.LastIndexByte(spec[:max(host, 0)], ':'); i >= 0 {
		return spec[:i], spec[i+1:]
	}
	return spec, "socks:0"
}

// fields are the attributes of a record by their keys.
type fields map[string]slog.Value

func fieldsOf(r slog.Record) fields {
	f := fields{}
	r.Attrs(func(a slog.Attr) bool {
		f[a.Key] = a.Value
		return true
	})
	return f
}

func (f fields) text(key string) string {
	if v, ok := f[key]; ok {
		return v.String()
	}
	return ""
}

func (f fields) err() error {
	if v, ok := f["err"]; ok {
		err, _ := v.Any().(error)
		return err
	}
	return nil
}

// address is that of a server; the zero value: there is none.
func (f fields) address() netip.AddrPort {
	a, _ := netip.ParseAddrPort(f.text("address"))
	return a
}
