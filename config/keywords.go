package config

import (
	"slices"
	"strconv"
	"sync"
)

const (
	maxInt       = 1<<31 - 1
	maxHostFiles = 32  // SSH_MAX_HOSTS_FILES
	maxDomains   = 32  // MAX_CANON_DOMAINS
	maxKeyFiles  = 100 // SSH_MAX_IDENTITY_FILES and SSH_MAX_CERTIFICATE_FILES
)

func decimalText(value int) string { return strconv.Itoa(value) }

// keywords is every option but Host, Match and Include, by its name in lower case and by its other names.
var keywords = sync.OnceValue(func() map[string]keyword {
	table := map[string]keyword{}
	for _, group := range [][]keyword{choices(), numbers(), words(), lists(), specials(), newerKeywords(), ownKeywords()} {
		for _, k := range group {
			table[lower(k.name)] = k
		}
	}
	for other, name := range otherNames {
		table[other] = table[name]
	}
	for _, name := range oldNames {
		table[lower(name)] = ignored(name)
	}
	return table
})

// otherNames are names that OpenSSH keeps for options that it renamed, among them two of Debian's.
var otherNames = map[string]string{
	"challengeresponseauthentication": "kbdinteractiveauthentication",
	"skeyauthentication":              "kbdinteractiveauthentication",
	"tisauthentication":               "kbdinteractiveauthentication",
	"dsaauthentication":               "pubkeyauthentication",
	"identityfile2":                   "identityfile",
	"keepalive":                       "tcpkeepalive",
	"hostbasedkeytypes":               "hostbasedacceptedalgorithms",
	"pubkeyacceptedkeytypes":          "pubkeyacceptedalgorithms",
	"smartcarddevice":                 "pkcs11provider",
	"protocolkeepalives":              "serveraliveinterval",
	"setuptimeout":                    "serveraliveinterval",
}

// oldNames are options that OpenSSH takes and does nothing with.
var oldNames = []string{
	"Protocol", "Cipher", "FallbackToRsh", "GlobalKnownHostsFile2", "RhostsAuthentication", "UseBlacklistedKeys",
	"UserKnownHostsFile2", "UseRoaming", "UseRsh", "UsePrivilegedPort", "AFSTokenPassing", "KerberosAuthentication",
	"KerberosTGTPassing", "RSAAuthentication", "RhostsRSAAuthentication", "CompressionLevel",
}

func choices() []keyword {
	flags := []string{
		"BatchMode", "CanonicalizeFallbackLocal", "CheckHostIP", "ClearAllForwardings", "EnableEscapeCommandline",
		"EnableSSHKeysign", "ExitOnForwardFailure", "ForkAfterAuthentication", "ForwardX11", "ForwardX11Trusted",
		"GatewayPorts", "GSSAPIAuthentication", "GSSAPIDelegateCredentials", "GSSAPIKeyExchange",
		"GSSAPIRenewalForcesRekey", "GSSAPITrustDNS", "HashKnownHosts", "HostbasedAuthentication", "IdentitiesOnly",
		"KbdInteractiveAuthentication", "NoHostAuthenticationForLocalhost", "PasswordAuthentication",
		"PermitLocalCommand", "ProxyUseFdpass", "StdinNull", "StreamLocalBindUnlink", "TCPKeepAlive", "VisualHostKey",
	}
	var group []keyword
	for _, name := range flags {
		group = append(group, flag(name))
	}
	return append(group,
		choice("AddressFamily", families),
		choice("CanonicalizeHostname", canonicalizations),
		choice("Compression", compressions),
		choice("ControlMaster", masters),
		choice("PubkeyAuthentication", publicKeys),
		choice("RequestTTY", terminals),
		choice("SessionType", sessionTypes),
		choice("StrictHostKeyChecking", hostKeyChecking),
		choice("Tunnel", tunnels),
		choice("UpdateHostKeys", yesNoAsk),
		choice("VerifyHostKeyDNS", yesNoAsk),
	)
}

func numbers() []keyword {
	return []keyword{
		number("CanonicalizeMaxDots"), number("ConnectionAttempts"), number("NumberOfPasswordPrompts"),
		number("RequiredRSASize"), number("ServerAliveCountMax"),
		duration("ConnectTimeout"), duration("ForwardX11Timeout"), duration("ServerAliveInterval"),
	}
}

func words() []keyword {
	var group []keyword
	for _, name := range []string{
		"BindAddress", "BindInterface", "ControlPath", "GSSAPIClientIdentity", "GSSAPIServerIdentity", "HostKeyAlias",
		"HostName", "IgnoreUnknown", "KbdInteractiveDevices", "PKCS11Provider", "PreferredAuthentications",
		"RevokedHostKeys", "SecurityKeyProvider", "User", "XAuthLocation",
	} {
		group = append(group, text(name))
	}
	return append(group,
		command("KnownHostsCommand"), command("LocalCommand"), command("ProxyCommand"), command("RemoteCommand"),
		repeated("IdentityFile", parseIdentityFile), repeated("CertificateFile", parseCertificateFile),
	)
}

func lists() []keyword {
	return []keyword{
		list("CanonicalDomains", "a list of domain names, or none", maxDomains, checkDomain),
		list("CanonicalizePermittedCNAMEs", "a list of FROM:TO, or none", maxDomains, checkCNAME),
		list("GlobalKnownHostsFile", "a list of file names, or none", maxHostFiles, anyWord),
		list("UserKnownHostsFile", "a list of file names, or none", maxHostFiles, anyWord),
		algorithmList("CASignatureAlgorithms", &signatureAlgorithms),
		algorithmList("Ciphers", &ciphers),
		algorithmList("HostbasedAcceptedAlgorithms", &keyAlgorithms),
		algorithmList("HostKeyAlgorithms", &keyAlgorithms),
		algorithmList("KexAlgorithms", &keyExchanges),
		algorithmList("MACs", &macs),
		algorithmList("PubkeyAcceptedAlgorithms", &keyAlgorithms),
		{name: "GSSAPIKexAlgorithms", wants: "a list of GSSAPI key exchanges", parse: parseGSSAPIKex},
	}
}

// specials are the options that follow rules of their own.
func specials() []keyword {
	return []keyword{
		{name: "AddKeysToAgent", wants: "yes, no, ask, confirm, a time, or confirm and a time", parse: parseAddKeysToAgent},
		{name: "ControlPersist", wants: "yes, no or a time", parse: parseControlPersist},
		{name: "DynamicForward", wants: "[bind_address:]port", parse: parseForwardLine},
		{name: "EscapeChar", wants: "one character, ^ and a letter, or none", parse: parseEscapeChar},
		{name: "FingerprintHash", wants: "one of md5, sha1, sha256, sha384, sha512", parse: parseFingerprintHash},
		{name: "ForwardAgent", wants: "yes, no or the path of a socket", parse: parseForwardAgent},
		{name: "IdentityAgent", wants: "the path of a socket, $VARIABLE, SSH_AUTH_SOCK or none", parse: parseIdentityAgent},
		{name: "IPQoS", wants: "a DSCP name (af11..af43, cs0..cs7, ef, le), lowdelay, throughput, reliability, 0 to 255, or none", parse: parseIPQoS},
		{name: "LocalForward", wants: "[bind_address:]port host:hostport", parse: parseForwardLine},
		{name: "LogLevel", wants: "one of QUIET, FATAL, ERROR, INFO, VERBOSE, DEBUG, DEBUG1, DEBUG2, DEBUG3", parse: parseLogLevel},
		{name: "LogVerbose", wants: "a list of file:function:line patterns, or none", parse: parseLogVerbose},
		{name: "PermitRemoteOpen", wants: "a list of host:port, any, or none", parse: parsePermitRemoteOpen},
		{name: "Port", wants: "a port from 1 to 65535 or the name of a TCP service", parse: parsePort},
		{name: "ProxyJump", wants: "[user@]host[:port] or a list of them, or none", rest: true, parse: parseProxyJump},
		{name: "RekeyLimit", wants: "a size such as 1G or default, and optionally a time or none", parse: parseRekeyLimit},
		{name: "RemoteForward", wants: "[bind_address:]port host:hostport, or [bind_address:]port", parse: parseForwardLine},
		{name: "SendEnv", wants: "a list of names", parse: parseSendEnv},
		{name: "SetEnv", wants: "a list of NAME=value", parse: parseSetEnv},
		{name: "StreamLocalBindMask", wants: "an octal mask from 0 to 0777", parse: parseBindMask},
		{name: "SyslogFacility", wants: "one of DAEMON, USER, AUTH, AUTHPRIV, LOCAL0 to LOCAL7", parse: parseSyslogFacility},
		{name: "TunnelDevice", wants: "local[:remote], each a number or any", parse: parseTunnelDevice},
	}
}

// suggestion finds the keyword that is most like word, for a "did you mean"; empty where none is near.
func suggestion(word string) string {
	names := []string{"Host", "Match", "Include"}
	for _, k := range keywords() {
		names = append(names, k.name)
	}
	slices.Sort(names)
	best, least := "", 1+len(word)/4
	for _, name := range names {
		if d := distance(word, lower(name)); d <= least && (best == "" || d < least) {
			best, least = name, d
		}
	}
	return best
}

// distance is the number of letters to add, drop, change or swap with their neighbour to make b of a.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
