package config

import "fmt"

// dishonoured is an option that a tunnel can not honour, and the values for which that makes no difference.
type dishonoured struct {
	keyword string
	without []string // values under which nothing is lost; nil: unset only
	text    string
	hint    string // not empty: the option is refused, because to go on without it would not be safe
}

var dishonouredOptions = []dishonoured{
	{"AddKeysToAgent", []string{"false"}, "keys are not added to the agent", ""},
	{"ChannelTimeout", []string{"none"}, "channels are not closed for being idle", ""},
	{"Compression", []string{"no"}, "the connection is not compressed", ""},
	{"ControlPath", nil, "connections are not shared with ssh", ""},
	{"EnableSSHKeysign", []string{"no"}, "host-based authentication is not tried", ""},
	{"ForwardAgent", []string{"no"}, "the agent is not forwarded: a tunnel opens no session", ""},
	{"ForwardX11", []string{"no"}, "X11 is not forwarded: a tunnel opens no session", ""},
	{"GSSAPIAuthentication", []string{"no"}, "GSSAPI authentication is not tried", ""},
	{"GSSAPIKeyExchange", []string{"no"}, "GSSAPI key exchange is not tried", ""},
	{"HostbasedAuthentication", []string{"no"}, "host-based authentication is not tried", ""},
	{"PKCS11Provider", nil, "keys on a PKCS#11 token are not used; load them into the agent with ssh-add -s", ""},
	{"RemoteCommand", nil, "the command is not run: a tunnel opens no session", ""},
	{"Tunnel", []string{"false"}, "no tun device is made", ""},
	{"VerifyHostKeyDNS", []string{"false"}, "host keys are not looked up in the DNS; known_hosts decides", ""},
	{"RefuseConnection", nil, "the configuration refuses this connection", "remove the line, or use another alias"},
}

// checkHonoured names the options that were set and can not be honoured, each once with its place.
func (r *resolver) checkHonoured() {
	for _, d := range dishonouredOptions {
		value := r.doc.value(d.keyword)
		if value == "" || containsExact(d.without, value) || r.quietly(d.keyword) {
			continue
		}
		from := r.doc.Source(d.keyword)
		if d.hint != "" {
			r.unusable(&Error{Source: from, Text: fmt.Sprintf("%s: %s: %s", d.keyword, d.text, value), Hint: d.hint})
			continue
		}
		r.warn(from, d.keyword, d.text)
	}
	if r.doc.has("LocalCommand") && r.yes("PermitLocalCommand") {
		r.warn(r.doc.Source("LocalCommand"), "LocalCommand", "the command is not run")
	}
	if !r.doc.is("ControlMaster", "false") && !r.doc.has("ControlPath") {
		r.warn(r.doc.Source("ControlMaster"), "ControlMaster", "connections are not shared with ssh")
	}
	if r.seconds(rekeyInterval) > 0 {
		r.warn(r.doc.Source("RekeyLimit"), "RekeyLimit",
			"keys are renewed after so many bytes, not after a time; TunneldMaxLifetime replaces the connection after one")
	}
	if r.doc.has("ProxyCommand") && !r.doc.has("ProxyJump") && r.yes("ProxyUseFdpass") {
		r.unusable(&Error{
			Source: r.doc.Source("ProxyUseFdpass"),
			Text:   "ProxyUseFdpass: a connection can not be taken over from ProxyCommand",
			Hint:   "write \"ProxyUseFdpass no\" and a ProxyCommand that passes the bytes on, such as \"nc %h %p\"",
		})
	}
}

// quietly leaves out what the system's file sets for everybody without anybody having asked for it: Debian's turns GSSAPI
// authentication on. Explain tells it.
func (r *resolver) quietly(keyword string) bool {
	from := r.doc.Source(keyword)
	if keyword == "GSSAPIAuthentication" && r.doc.trace.isSystem(from.File) {
		r.doc.trace.ignored(from, keyword, "GSSAPI authentication is not tried")
		return true
	}
	return false
}
