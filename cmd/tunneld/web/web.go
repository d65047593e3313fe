// Package web is the HTTP server of --listen: limits on who asks over TCP, and by which name.
package web

import (
	"context"
	"errors"
	"fmt"
	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Server is the HTTP server of --listen. It only shows; steering is for the control socket.
type Server struct {
	listener net.Listener
	server   *http.Server // has no handler before serve
	served   chan struct{}
}

// Open listens at the address of --listen. Nobody is answered before Serve.
func Open(ctx context.Context, log *slog.Logger, address string) (*Server, error) {
	network, bind := webAddress(address)
	listener, err := new(net.ListenConfig).Listen(ctx, network, bind)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		return nil, &exit.Error{Code: exit.Usage, Err: fmt.Errorf("--listen %s: %w", address, err),
			Hint: "give an address of this machine and a free port: --listen 127.0.0.1:9100"}
	}
	log.Info("status page", "listen", "http://"+listener.Addr().String()+"/")
	return &Server{listener: listener, server: newWebServer(log), served: make(chan struct{})}, nil
}

// webAddress returns what to bind for the argument of --listen. An IPv4 address is IPv4 and nothing else: by Go's own rule
// 0.0.0.0 would take every IPv6 address, too (net.Listen). An empty host, "*" and [::] are all addresses of both families.
func webAddress(address string) (network, bind string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "tcp", address
	}
	if host == "*" {
		host = ""
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() {
		return "tcp4", address
	}
	return "tcp", net.JoinHostPort(host, port)
}

// Limits on those who ask over TCP.
const (
	webHeaderTime  = 5 * time.Second
	webHeader      = 16 << 10         // bytes
	webReadTime    = 10 * time.Second // for a question with its body, which nobody reads
	webTime        = 30 * time.Second // for an answer
	webIdleTime    = 2 * time.Minute  // between questions
	webConnections = 100              // those that wait longest are closed for newer ones
)

func newWebServer(log *slog.Logger) *http.Server {
	return &http.Server{
		ReadHeaderTimeout: webHeaderTime,
		ReadTimeout:       webReadTime,
		WriteTimeout:      webTime,
		IdleTimeout:       webIdleTime,
		MaxHeaderBytes:    webHeader,
		ConnState:         (&waitingRoom{seats: webConnections}).note,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// Serve answers from now on, until Close.
func (w *Server) Serve(handler http.Handler) {
	if isLoopback(w.listener.Addr()) {
		handler = localNames(handler)
	}
	w.server.Handler = handler
	go func() {
		defer close(w.served)
		w.server.Serve(w.listener)
	}()
}

// Close ends it.
func (w *Server) Close() {
	if w.server.Handler == nil {
		w.listener.Close()
		return
	}
	w.server.Close()
	<-w.served
}

func isLoopback(address net.Addr) bool {
	tcp, ok := address.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// localNames refuses questions that were meant for another name than this machine's own. A page of a stranger can have its
// name lead to 127.0.0.1 and so have a browser here ask us and tell it (DNS rebinding); it cannot have the browser say
// another name than its own.
func localNames(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLocalName(r.Host) {
			http.Error(w, "tunneld answers here to localhost and to addresses alone: it listens on a loopback address", http.StatusForbidden)
			return
		}
		handler.ServeHTTP(w, r)
	})
}

// isLocalName reports whether the Host of a request, with or without a port, is "localhost" or an address. It is empty where
// a client of HTTP/1.0 sends none; browsers always do.
func isLocalName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	_, err := netip.ParseAddr(host)
	return host == "" || strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") || err == nil
}

// waitingRoom bounds the connections of the HTTP server, so that they do not take the descriptors of the tunnels.
type waitingRoom struct {
	seats int

	mu      sync.Mutex             // guards all following fields
	waiting map[net.Conn]time.Time // those that have no question before us, by the time from which on
	active  map[net.Conn]bool
}

// note is http.Server's ConnState.
func (w *waitingRoom) note(conn net.Conn, state http.ConnState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting == nil {
		w.waiting, w.active = map[net.Conn]time.Time{}, map[net.Conn]bool{}
	}
	delete(w.waiting, conn)
	delete(w.active, conn)
	switch state {
	case http.StateActive:
		w.active[conn] = true
	case http.StateNew, http.StateIdle:
		w.waiting[conn] = time.Now()
		if len(w.waiting)+len(w.active) > w.seats {
			w.dismissLocked()
		}
	}
}

// dismissLocked closes the connection that has waited longest.
func (w *waitingRoom) dismissLocked() {
	var longest net.Conn
	for conn, since := range w.waiting {
		if longest == nil || since.Before(w.waiting[longest]) {
			longest = conn
		}
	}
	delete(w.waiting, longest)
	longest.Close()
}
