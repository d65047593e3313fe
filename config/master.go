package config

import "strings"

// Master is ControlMaster and ControlPath: whether and where a tunnel listens for ssh, scp and others that ride on its
// connection.
type Master struct {
	Mode MasterMode
	Path string // expanded, as `ssh -G` of OpenSSH before 9.6 prints it; empty: none

	// JumpPath is Path as OpenSSH 9.6 and later expand it: %C tells jump hosts apart there, too. It is Path where that has no
	// %C, and where no ProxyJump is used.
	JumpPath string
}

// MasterMode is ControlMaster.
type MasterMode string

// The values of ControlMaster, as ssh -G prints them.
const (
	MasterNo      MasterMode = "false"
	MasterYes     MasterMode = "true"
	MasterAuto    MasterMode = "auto"
	MasterAsk     MasterMode = "ask" // nobody is there to be asked: as MasterNo
	MasterAutoAsk MasterMode = "autoask"
)

// Listens reports whether the tunnel is to listen on Path.
func (m Master) Listens() bool { return (m.Mode == MasterYes || m.Mode == MasterAuto) && m.Path != "" }

func (r *resolver) fillControlPath(o *Options) {
	if !r.doc.has("ControlPath") {
		return
	}
	path := r.doc.value("ControlPath")
	withJump := connectionHash(r.env.HostName, r.host, r.port(), r.remoteUser(), lastJump(r.doc.value("ProxyJump")))
	hash := connectionHash(r.env.HostName, r.host, r.port(), r.remoteUser(), "")
	o.Master.Path, o.Master.JumpPath = strings.ReplaceAll(path, withJump, hash), path
}

// lastJump is the host of the last of several jumps, which is what OpenSSH has for %j; empty where there are none.
func lastJump(jumps string) string {
	if jumps == "none" {
		return ""
	}
	last := jumps[strings.LastIndexByte(jumps, ',')+1:]
	last = strings.TrimPrefix(last, "ssh://")
	last = last[strings.LastIndexByte(last, '@')+1:]
	if host, _, closed := strings.Cut(strings.TrimPrefix(last, "["), "]"); closed {
		return host
	}
	host, _, _ := strings.Cut(last, ":")
	return host
}
