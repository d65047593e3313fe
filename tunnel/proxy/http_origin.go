package proxy

import (
	"bytes"
	"fmt"
	"net/http"
	"net/textproto"
	"strings"
)

// hopByHop are the fields that are between a client and its proxy (RFC 9110 §7.6.1), beside those that Connection names.
var hopByHop = []string{"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Upgrade"}

// originHead returns the head of a request as the server is to see it (RFC 9112 §3.2.1): the path alone, Host from the address
// and not from the client, nothing that was meant for the proxy. The connection is for this request alone, because the next
// one may be for another server; the exception is one that is to become something else, such as a WebSocket. The body
// follows as it is, so its framing stays.
func originHead(r *http.Request) []byte {
	fields := r.Header.Clone()
	upgrade := upgradeOf(r)
	for _, name := range connectionOf(r) {
		if !framing(name) {
			fields.Del(name)
		}
	}
	for _, name := range hopByHop {
		fields.Del(name)
	}
	fields.Set("Connection", "close")
	if upgrade != "" {
		fields.Set("Connection", "Upgrade")
		fields.Set("Upgrade", upgrade)
	}
	if len(r.TransferEncoding) > 0 { // net/http takes it out, and knows no other
		fields.Set("Transfer-Encoding", "chunked")
		fields.Del("Content-Length")
	}
	path := r.URL.RequestURI()
	if r.Method == http.MethodOptions && r.URL.Path == "" && r.URL.RawQuery == "" {
		path = "*" // RFC 9112 §3.2.4
	}
	var head bytes.Buffer
	fmt.Fprintf(&head, "%s %s HTTP/%d.%d\r\nHost: %s\r\n", r.Method, path, r.ProtoMajor, r.ProtoMinor, r.URL.Host)
	fields.Write(&head)
	head.WriteString("\r\n")
	return head.Bytes()
}

// connectionOf returns what Connection names.
func connectionOf(r *http.Request) []string {
	names := strings.Split(strings.Join(r.Header["Connection"], ","), ",")
	for i, name := range names {
		names[i] = textproto.TrimString(name)
	}
	return names
}

// upgradeOf returns what the connection is to become (RFC 9110 §7.8); "": nothing else.
func upgradeOf(r *http.Request) string {
	for _, name := range connectionOf(r) {
		if strings.EqualFold(name, "Upgrade") {
			return r.Header.Get("Upgrade")
		}
	}
	return ""
}

// framing reports whether a field says how long the body is, which no Connection may take away.
func framing(name string) bool {
	return strings.EqualFold(name, "Content-Length") || strings.EqualFold(name, "Transfer-Encoding") || strings.EqualFold(name, "Host")
}
