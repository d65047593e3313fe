package hostkey

import (
	"context"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel/hostkey/sshfp"
)

// dnsView is what VerifyHostKeyDNS has found out about a key.
type dnsView struct {
	asked   bool  // nobody is asked where VerifyHostKeyDNS is no
	failed  error // why there was no answer; nil: there was one
	verdict sshfp.Verdict
	secure  bool
	before  bool // the key is good because the DNS has vouched for it before
}

// inDNS looks a key up in the DNS and reports whether it is to be trusted without a look at known_hosts: under VerifyHostKeyDNS yes,
// where the records were validated and all of its type fit. Otherwise what is found is for a person to read, and the rest decides
// (verify_host_key of sshconnect.c). It departs from ssh in one place: a key that is @revoked for the host stays so.
func (h *Keys) inDNS(ctx context.Context, key ssh.PublicKey) bool {
	if h.options.VerifyHostKeyDNS != config.DNSYes && h.options.VerifyHostKeyDNS != config.DNSAsk {
		return false
	}
	records, err := h.Names.Lookup(ctx, strings.TrimSuffix(h.options.HostName, "."))
	h.dns = dnsView{asked: true, failed: err, verdict: records.Judge(key), secure: records.Secure}
	switch {
	case err != nil:
		h.dns.failed = foreign.Error(err)
		h.log.Warn("host key not looked up in the DNS", "err", h.dns.failed)
		return false
	case h.dns.verdict == sshfp.Mismatch:
		h.log.Warn("the DNS has another fingerprint for the host key: update its SSHFP records, unless the server is an impostor",
			"key", describeKey(key), "validated", records.Secure)
		return false
	case h.dns.verdict == sshfp.Silent:
		h.log.Debug("the DNS has no fingerprint for the host key", "key", describeKey(key))
		return false
	}
	h.log.Debug("the DNS has the fingerprint of the host key", "key", describeKey(key), "validated", records.Secure)
	return h.options.VerifyHostKeyDNS == config.DNSYes && records.Secure && !h.lookup(h.name()).revokes(key)
}

// dnsText is a line for the question about a new key; empty where the DNS was not asked.
func (h *Keys) dnsText() string {
	switch {
	case !h.dns.asked:
		return ""
	case h.dns.verdict == sshfp.Match:
		return "Matching host key fingerprint found in DNS.\n"
	}
	return "No matching host key fingerprint found in DNS.\n"
}

// undecided refuses a key for now that no file vouches for, where the DNS might have; nil: it has had its say.
func (h *Keys) undecided(c *shownKey) error {
	if h.dns.failed == nil || h.options.VerifyHostKeyDNS != config.DNSYes {
		return nil
	}
	return h.refuseUnread(c.key, h.dns.failed)
}

// ByDNS reports whether the key was trusted because of the DNS alone.
func (h *Keys) ByDNS() bool { return h.byDNS.Load() }
