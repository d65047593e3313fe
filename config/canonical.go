package config

import (
	"net"
	"net/netip"
	"strings"

	"github.com/tunneld/tunneld/config/numeral"
	"github.com/tunneld/tunneld/config/sshpattern"
)

// canonicalize finds the name to connect to: HostName with its token, a numeric address in its usual form, and, where
// CanonicalizeHostname asks for it, the name that CanonicalDomains and CanonicalizePermittedCNAMEs make of it. This is the
// only place where a configuration looks names up.
func (r *resolver) canonicalize() error {
	// Hence these three no longer change in the second pass.
	for _, name := range []string{"CanonicalizeMaxDots", "CanonicalizeFallbackLocal", "CanonicalizeHostname"} {
		r.byDefault(keywords()[lower(name)])
	}
	host, err := r.matchedHost()
	if err != nil {
		return &Error{Source: r.doc.Source("HostName"), Text: "HostName: " + err.Error()}
	}
	if host, err = r.canonicalName(host); err != nil {
		return err
	}
	r.host = host
	r.wantFinal = r.wantFinal || !r.doc.is("CanonicalizeHostname", "false")
	if r.wantFinal {
		r.doc.replace("HostName", host, r.doc.Source("HostName"))
	}
	return nil
}

func (r *resolver) canonicalName(host string) (string, error) {
	found := false
	family := r.doc.value("AddressFamily")
	address, isAddress := numericAddress(host, family)
	switch {
	case isAddress && strings.EqualFold(address, host):
		found = true
	case isAddress:
		host, found = address, true
	case looksNumeric(host): // perhaps an address with an unknown scope
	default:
		host = lower(host)
		if !r.doc.is("CanonicalizeHostname", "false") {
			name, ok, err := r.qualified(host)
			if err != nil {
				return "", err
			}
			host, found = name, ok
		}
	}
	if found || !r.followsCNAMEs() || !r.direct() && !r.doc.is("CanonicalizeHostname", "always") {
		return host, nil
	}
	canonical, err := r.lookUp(host)
	if err != nil {
		if r.direct() {
			return "", &LookupError{Name: host, Err: err}
		}
		return host, nil
	}
	return r.followed(host, canonical), nil
}

// direct reports whether we resolve the name ourselves, and not a proxy.
func (r *resolver) direct() bool {
	command := r.doc.value("ProxyCommand")
	return (command == "" || lower(command) == "none") && !r.doc.has("ProxyJump")
}

// qualified tries the name with each of CanonicalDomains. ok is false where that is not wanted or finds nothing.
func (r *resolver) qualified(host string) (name string, ok bool, err error) {
	if !r.direct() && !r.doc.is("CanonicalizeHostname", "always") {
		return host, false, nil
	}
	var candidates []string
	maxDots, _ := numeral.Whole(r.doc.value("CanonicalizeMaxDots"), maxInt)
	switch {
	case strings.HasSuffix(host, "."):
		candidates = []string{host}
	case int64(strings.Count(host, ".")) > maxDots:
		return host, false, nil
	default:
		for _, domain := range r.doc.values("CanonicalDomains") {
			if lower(domain) == "none" {
				break
			}
			candidates = append(candidates, host+"."+domain+".")
		}
	}
	for _, candidate := range candidates {
		canonical, err := r.lookUp(candidate)
		if err != nil {
			continue
		}
		return r.followed(strings.TrimSuffix(candidate, "."), canonical), true, nil
	}
	if r.doc.is("CanonicalizeFallbackLocal", "no") {
		return "", false, &LookupError{Name: host}
	}
	return host, false, nil
}

func (r *resolver) followsCNAMEs() bool {
	rules := r.doc.values("CanonicalizePermittedCNAMEs")
	return len(rules) > 0 && !(len(rules) == 1 && lower(rules[0]) == "none:")
}

// followed returns the canonical name where a rule of CanonicalizePermittedCNAMEs lets it replace name.
func (r *resolver) followed(name, canonical string) string {
	off := r.doc.is("CanonicalizeHostname", "false") || !r.direct() && !r.doc.is("CanonicalizeHostname", "always")
	if canonical == "" || canonical == name || off || !r.followsCNAMEs() {
		return name
	}
	for _, rule := range r.doc.values("CanonicalizePermittedCNAMEs") {
		from, to, _ := strings.Cut(rule, ":")
		if sshpattern.MatchList(name, from, true) == sshpattern.Positive && sshpattern.MatchList(canonical, to, true) == sshpattern.Positive {
			return canonical
		}
	}
	return name
}

// lookUp resolves a name and returns its canonical name, without the final dot; empty where there is none or it is no name.
func (r *resolver) lookUp(name string) (string, error) {
	network := AddressFamily(r.doc.value("AddressFamily")).Network("ip")
	resolver := r.env.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	r.doc.trace.live = true
	if r.env.LookingUp != nil {
		r.env.LookingUp(strings.TrimSuffix(name, "."))
	}
	if _, err := resolver.LookupNetIP(r.ctx, network, name); err != nil {
		return "", err
	}
	canonical := name
	for range maxAliases {
		next, err := resolver.LookupCNAME(r.ctx, canonical)
		if err != nil || domainProblem(next) != "" {
			return "", r.ctx.Err()
		}
		if next == canonical {
			break
		}
		canonical = next
	}
	return strings.TrimSuffix(canonical, "."), nil
}

// maxAliases bounds how often a name is looked up that is an alias of an alias. net.Resolver asks for IPv4 and IPv6 at
// once and takes the first name from the answer that comes first: that of a family without an address ends at the first
// alias (dnsclient_unix.go, goLookupIPCNAMEOrder).
const maxAliases = 10

// looksNumeric reports whether a name can only be an address.
func looksNumeric(name string) bool {
	return strings.ContainsAny(name, "%:") || strings.Trim(name, "0123456789.") == ""
}

// numericAddress reads an address as getaddrinfo(3) does, the old forms of IPv4 among them, and writes it in the usual
// form. The family must fit.
func numericAddress(text, family string) (string, bool) {
	if v4, ok := classicIPv4(text); ok {
		return v4.String(), family != string(IPv6)
	}
	base, zone, zoned := strings.Cut(text, "%")
	address, err := netip.ParseAddr(base)
	if err != nil || !address.Is6() {
		return "", false
	}
	if address.Is4In6() && family == string(IPv4) {
		return address.Unmap().String(), true
	}
	if family == string(IPv4) {
		return "", false
	}
	if !zoned {
		return ipv6Text(address), true
	}
	suffix, ok := scope(address, zone)
	return ipv6Text(address) + suffix, ok
}

// ipv6Text writes an address as inet_ntop(3), which shows the IPv4 address in the last 32 bits of ::/96 too.
func ipv6Text(address netip.Addr) string {
	bytes := address.As16()
	for _, b := range bytes[:12] {
		if b != 0 {
			return address.String()
		}
	}
	if bytes[12] == 0 && bytes[13] == 0 {
		return address.String()
	}
	return "::" + netip.AddrFrom4([4]byte(bytes[12:])).String()
}

// scope reads the zone of an IPv6 address: the name of an interface, or its number.
func scope(address netip.Addr, zone string) (string, bool) {
	local := address.IsLinkLocalUnicast() || address.IsLinkLocalMulticast() || address.IsInterfaceLocalMulticast()
	if local {
		if i, err := net.InterfaceByName(zone); err == nil {
			return "%" + i.Name, true
		}
	}
	number, ok := numeral.Whole(zone, 1<<32-1)
	if !ok || zone[0] < '0' || zone[0] > '9' {
		return "", false
	}
	if number == 0 {
		return "", true
	}
	if local {
		if i, err := net.InterfaceByIndex(int(number)); err == nil {
			return "%" + i.Name, true
		}
	}
	return "%" + decimalText(int(number)), true
}

// classicIPv4 reads an address as inet_aton(3): one to four numbers, in decimal, octal or hexadecimal, of which the last
// fills all bytes that are left.
func classicIPv4(text string) (netip.Addr, bool) {
	parts := strings.Split(text, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var value uint64
	for i, part := range parts {
		if part == "" || part[0] < '0' || part[0] > '9' {
			return netip.Addr{}, false
		}
		number, rest, ranged, ok := numeral.Leading(part, 0)
		limit := int64(255)
		if i == len(parts)-1 {
			limit = 1<<(8*(5-len(parts))) - 1
		}
		if !ok || !ranged || rest != "" || number > limit {
			return netip.Addr{}, false
		}
		if i == len(parts)-1 {
			value |= uint64(number)
		} else {
			value |= uint64(number) << (8 * (3 - i))
		}
	}
	return netip.AddrFrom4([4]byte{byte(value >> 24), byte(value >> 16), byte(value >> 8), byte(value)}), true
}
