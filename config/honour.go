package config

import (
	"fmt"
	"slices"
)

// checkHonoured warns of the options that were set and cannot be honoured, each once with its place.
func (r *resolver) checkHonoured() {
	for _, k := range table() {
		if k.loss != "" && (!k.session || !r.req.Session) {
			r.checkLoss(k)
		}
		if k.check != nil {
			k.check(r)
		}
	}
}

// checkLoss warns of k where somebody set it to something other than the default.
func (r *resolver) checkLoss(k keyword) {
	value := r.doc.value(k.name)
	if slices.Contains(k.initial, value) || value == "" || lower(value) == "none" || r.quietly(k.name) {
		return
	}
	from := r.doc.Source(k.name)
	if k.refusal != "" {
		r.unusable(&Error{Source: from, Text: fmt.Sprintf("%s: %s: %s", k.name, k.loss, value), Hint: k.refusal})
		return
	}
	r.note(Warning{Source: from, Keyword: k.name, Text: k.loss, Loss: true})
}

func checkLocalCommand(r *resolver) {
	if r.doc.has("LocalCommand") && r.yes("PermitLocalCommand") {
		r.warn(r.doc.Source("LocalCommand"), "LocalCommand", "the command is not run")
	}
}

func checkControlMaster(r *resolver) {
	from := r.doc.Source("ControlMaster")
	switch mode := MasterMode(r.doc.value("ControlMaster")); {
	case mode == MasterNo:
	case mode == MasterAsk || mode == MasterAutoAsk:
		r.warn(from, "ControlMaster", "connections are not shared with ssh: nobody can be asked; write auto or yes")
	case !r.doc.has("ControlPath"):
		r.warn(from, "ControlMaster", "connections are not shared with ssh: there is no ControlPath")
	case mode == MasterYes && from != commandLine:
		r.warn(from, "ControlMaster", "an ssh that reads this makes a connection of its own and does not use this one; write auto")
	}
}

func checkFdpass(r *resolver) {
	if r.doc.has("ProxyCommand") && !r.doc.has("ProxyJump") && r.yes("ProxyUseFdpass") {
		r.unusable(&Error{
			Source: r.doc.Source("ProxyUseFdpass"),
			Text:   "ProxyUseFdpass: a connection cannot be taken over from ProxyCommand",
			Hint:   "write \"ProxyUseFdpass no\" and a ProxyCommand that passes the bytes on, such as \"nc %h %p\"",
		})
	}
}

// quietly reports whether a loss needs no warning, because the system's file sets the option for everybody and nobody asked for
// it: Debian's turns GSSAPI authentication on. Explain shows it.
func (r *resolver) quietly(keyword string) bool {
	from := r.doc.Source(keyword)
	if keyword == "GSSAPIAuthentication" && r.doc.trace.isSystem(from.File) {
		r.doc.trace.ignored(from, keyword, "GSSAPI authentication is not tried")
		return true
	}
	return false
}
