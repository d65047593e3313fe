package sshconfig

import "strings"

var (
	cipherNames = []string{"aes128-ctr", "aes256-ctr", "aes128-cbc", "3des-cbc", "chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com", "aes*", "*cbc", "aes128-c?r"}
	macNames    = []string{"hmac-sha1", "hmac-md5", "umac-64@openssh.com", "hmac-sha2-256-etm@openssh.com", "hmac-sha2-512", "hmac*", "*etm*"}
	kexNames    = []string{"curve25519-sha256", "diffie-hellman-group14-sha1", "diffie-hellman-group1-sha1", "ecdh-sha2-nistp256", "sntrup761x25519-sha512@openssh.com", "ecdh*", "*sha1", "gss-gex-sha1-", "gss-group14-sha256-toWM5Slw5Ew8Mqkay+al2g=="}
	keyNames    = []string{"ssh-ed25519", "ssh-rsa", "rsa-sha2-512", "ssh-dss", "ecdsa-sha2-nistp256", "ssh-ed25519-cert-v01@openssh.com", "sk-ssh-ed25519@openssh.com", "*", "ssh-*", "*cert*", "ecdsa*,rsa*", "rsa", "ED25519", "webauthn-sk-ecdsa-sha2-nistp256@openssh.com", "rsa-sha2-256-cert-v01@openssh.com"}

	flagKeywords = []string{"BatchMode", "CanonicalizeFallbackLocal", "CheckHostIP", "ClearAllForwardings", "EnableEscapeCommandline", "EnableSSHKeysign", "ExitOnForwardFailure", "ForkAfterAuthentication", "ForwardX11", "ForwardX11Trusted", "GatewayPorts", "GSSAPIAuthentication", "GSSAPIDelegateCredentials", "GSSAPIKeyExchange", "GSSAPIRenewalForcesRekey", "GSSAPITrustDNS", "HashKnownHosts", "HostbasedAuthentication", "IdentitiesOnly", "KbdInteractiveAuthentication", "NoHostAuthenticationForLocalhost", "PasswordAuthentication", "PermitLocalCommand", "ProxyUseFdpass", "StdinNull", "StreamLocalBindUnlink", "TCPKeepAlive", "VisualHostKey", "ChallengeResponseAuthentication", "SkeyAuthentication", "TISAuthentication", "KeepAlive"}
	wordKeywords = []string{"BindAddress", "BindInterface", "GSSAPIClientIdentity", "GSSAPIServerIdentity", "KbdInteractiveDevices", "PKCS11Provider", "SmartcardDevice", "PreferredAuthentications", "SecurityKeyProvider", "XAuthLocation"}
	oldKeywords  = []string{"Protocol", "Cipher", "FallbackToRsh", "GlobalKnownHostsFile2", "RhostsAuthentication", "UseBlacklistedKeys", "UserKnownHostsFile2", "UseRoaming", "UseRsh", "UsePrivilegedPort", "AFSTokenPassing", "KerberosAuthentication", "KerberosTgtPassing", "RSAAuthentication", "RhostsRSAAuthentication", "CompressionLevel"}
	otherWords   = []string{"AddressFamily", "CanonicalizeHostname", "Compression", "ControlMaster", "PubkeyAuthentication", "DSAAuthentication", "RequestTTY", "SessionType", "StrictHostKeyChecking", "Tunnel", "UpdateHostKeys", "VerifyHostKeyDNS", "CanonicalizeMaxDots", "ConnectionAttempts", "NumberOfPasswordPrompts", "RequiredRSASize", "ServerAliveCountMax", "ConnectTimeout", "ForwardX11Timeout", "ServerAliveInterval", "ProtocolKeepAlives", "SetupTimeOut", "ControlPath", "HostKeyAlias", "HostName", "HostName", "RevokedHostKeys", "User", "User", "KnownHostsCommand", "LocalCommand", "ProxyCommand", "ProxyCommand", "RemoteCommand", "IdentityFile", "IdentityFile", "IdentityFile2", "CertificateFile", "CanonicalDomains", "CanonicalizePermittedCNAMEs", "GlobalKnownHostsFile", "UserKnownHostsFile", "CASignatureAlgorithms", "Ciphers", "HostbasedAcceptedAlgorithms", "HostbasedKeyTypes", "HostKeyAlgorithms", "KexAlgorithms", "MACs", "PubkeyAcceptedAlgorithms", "PubkeyAcceptedKeyTypes", "GSSAPIKexAlgorithms", "AddKeysToAgent", "ControlPersist", "DynamicForward", "DynamicForward", "EscapeChar", "FingerprintHash", "ForwardAgent", "IdentityAgent", "IPQoS", "LocalForward", "LocalForward", "LocalForward", "LogLevel", "LogVerbose", "PermitRemoteOpen", "Port", "Port", "ProxyJump", "ProxyJump", "RekeyLimit", "RemoteForward", "RemoteForward", "SendEnv", "SetEnv", "StreamLocalBindMask", "SyslogFacility", "TunnelDevice"}
)

func (g *generator) keyword() string {
	switch g.n(12) {
	case 0, 1:
		return g.pick(flagKeywords...)
	case 2:
		return g.pick(wordKeywords...)
	case 3:
		if g.chance(30) {
			return g.pick(oldKeywords...)
		}
	}
	return g.pick(otherWords...)
}

// value is any word at all.
func (g *generator) value() string {
	return g.pick("yes", "no", "0", "1", "none", "None", "NONE", `""`, `''`, "any", "auto", "ask", "x", "a b", `"a b"`, `'a b'`, `a\ b`, `"a\"b"`, `'a"b'`, `"a'b"`, `a\\b`, `a\b`, `a#b`, `#a`, `"#a"`, `a"b`, `'a`, `"`, `a=b`, `=a`, "%h", "%%", "%z", "%", "${SET}", "${UNSET}", "${", "$", "~", "~/x", "~nobody", "~nosuch/x", "-", "+", "^", "*", "?", "!a", "a,b", ",", "a,,b", "99999999999999999999", "-1", "+1", " ", "\\", `\"`, "é", "\xff", "a\tb", "a:b", "/", "/x", "0x10", "010", "1h", "4294967296", "2147483648", "2147483647", "65535", "65536", "yes no", "\v1", "a\"\"b", strings.Repeat("a", 300), strings.Repeat("ab,", 600))
}

func (g *generator) valueOf(keyword string) string {
	if g.chance(g.wild) {
		return g.value()
	}
	v := g.goodValue(keyword)
	if g.chance(4) && !strings.ContainsAny(v, ` "'`) {
		v = g.quote(v)
	}
	return v
}

func (g *generator) goodValue(keyword string) string {
	for _, f := range flagKeywords {
		if strings.ToLower(f) == keyword {
			if keyword == "forkafterauthentication" && g.chance(80) {
				return "no"
			}
			return g.pick("yes", "no", "true", "false", "YES", "No", "True", "FALSE")
		}
	}
	switch keyword {
	case "addressfamily":
		return g.pick("any", "inet", "inet6", "INET")
	case "canonicalizehostname":
		return g.pick("yes", "no", "always", "true", "false", "ALWAYS")
	case "compression":
		return g.pick("yes", "no", "YES")
	case "controlmaster":
		return g.pick("yes", "no", "auto", "ask", "autoask", "true")
	case "pubkeyauthentication", "dsaauthentication":
		return g.pick("yes", "no", "unbound", "host-bound", "true", "false")
	case "requesttty":
		return g.pick("yes", "no", "force", "auto", "true", "false")
	case "sessiontype":
		return g.pick("none", "subsystem", "default")
	case "stricthostkeychecking":
		return g.pick("yes", "no", "ask", "off", "accept-new", "true", "false", "ASK")
	case "tunnel":
		return g.pick("yes", "no", "point-to-point", "ethernet", "true", "false")
	case "updatehostkeys", "verifyhostkeydns":
		return g.pick("yes", "no", "ask", "true", "false")
	case "connecttimeout", "forwardx11timeout", "serveraliveinterval", "protocolkeepalives", "setuptimeout":
		return g.time()
	case "canonicalizemaxdots", "connectionattempts", "numberofpasswordprompts", "requiredrsasize", "serveralivecountmax":
		return g.pick("1", "2", "3", "5", "0", "+7", "2147483647", "007", "1024")
	case "loglevel":
		return g.pick("QUIET", "FATAL", "ERROR", "INFO", "VERBOSE", "DEBUG", "DEBUG1", "DEBUG2", "DEBUG3", "silent", "quiet", "info")
	case "syslogfacility":
		return g.pick("DAEMON", "user", "AUTH", "AUTHPRIV", "LOCAL0", "local7")
	case "fingerprinthash":
		return g.pick("md5", "sha1", "SHA256", "sha384", "sha512")
	case "port":
		return g.port()
	case "user":
		return g.user()
	case "hostname":
		return g.pick("real", "real.example.com", "REAL", "%h", "%h.example.com", "%%", "127.1", "::1", "10.0.0.1", "a-%h-b", "0x7f000001", "localhost", "%h%h")
	case "hostkeyalias":
		return g.pick("alias", "ALIAS", "%h")
	case "identityfile", "identityfile2", "certificatefile":
		return g.pick("~/.ssh/a", "~/.ssh/b", "/etc/key", "none", "%d/.ssh/%h", "${SET}/k", "~/.ssh/%r@%h:%p", `"~/my key"`, "rel", "~/.ssh/a", "%z", "${UNSET}", "DIR/k#1", `a\ b`)
	case "userknownhostsfile", "globalknownhostsfile":
		return g.pick("none", g.some(3, " ", func() string {
			return g.quote(g.pick("~/.ssh/known_hosts", "/dev/null", "~/.ssh/%k", "/x/%h", "/x/${SET}", "%d/kh", "/x/%C", "/x/%p-%r-%u-%i-%L-%l-%n"))
		}))
	case "controlpath", "identityagent", "forwardagent":
		return g.pick("none", "~/.ssh/cm-%C", "/x/%h-%p-%r", "${SET}/x", "$SOCKET", "SSH_AUTH_SOCK", "~/x", "%d/%n", "/x/%i%u%k%L%l", "yes", "no", "$UNSET", "~root/x")
	case "revokedhostkeys":
		return g.pick("none", "/etc/revoked", "~/x")
	case "knownhostscommand", "localcommand", "proxycommand", "remotecommand":
		return g.command()
	case "canonicaldomains":
		return g.pick("none", "example.com", "example.com example.org", "EXAMPLE.com.", "a_b.c-d")
	case "canonicalizepermittedcnames":
		return g.pick("none", "none")
	case "ciphers":
		return g.algorithms(cipherNames)
	case "macs":
		return g.algorithms(macNames)
	case "kexalgorithms":
		return g.algorithms(kexNames)
	case "casignaturealgorithms", "hostbasedacceptedalgorithms", "hostbasedkeytypes", "hostkeyalgorithms", "pubkeyacceptedalgorithms", "pubkeyacceptedkeytypes":
		return g.algorithms(keyNames)
	case "gssapikexalgorithms":
		return g.some(2, ",", func() string { return g.pick("gss-gex-sha1-", "gss-group14-sha256-", "gss-curve25519-sha256-x") })
	}
	return g.goodSpecial(keyword)
}

func (g *generator) goodSpecial(keyword string) string {
	switch keyword {
	case "addkeystoagent":
		return g.pick("yes", "no", "ask", "confirm", "5m", "confirm 5m", "0", "1h30m", "confirm 0")
	case "controlpersist":
		return g.pick("yes", "no", "10m", "0", "true", "false", "90")
	case "escapechar":
		return g.pick("~", "none", "^A", "^[", "x", "^^", "^?", `"\\"`, `\\`, "^", "^a", `" "`, "^@", "\x7f", "\xff")
	case "ipqos":
		return g.some(2, " ", func() string {
			return g.pick("af11", "AF21", "cs0", "cs7", "ef", "le", "lowdelay", "throughput", "reliability", "none", "0", "0x10", "010", "255", "184", "3", "0xfe")
		})
	case "localforward":
		return g.twoPart()
	case "remoteforward":
		return g.pick(g.twoPart(), g.twoPart(), g.listen())
	case "dynamicforward":
		return g.listen()
	case "logverbose":
		return g.pick("none", "kex.c:*:1000", "a b", "*")
	case "permitremoteopen":
		return g.pick("any", "none", "host:80", "host:* [::1]:22", "*:80", "localhost:http", "h:1 h:2")
	case "proxyjump":
		return g.jump()
	case "rekeylimit":
		return g.pick("default", "1G", "16", "512M", "1.5k", "0", "100", "1K", "2T", "1E", ".5G", "64b", "1g") + g.pick("", "", " none", " 1h", " 90", " 0")
	case "sendenv":
		return g.some(3, " ", func() string { return g.pick("LANG", "LC_*", "-LC_*", "-*", "FOO", "BAR", "-FOO", "A?", "-") })
	case "setenv":
		return g.some(3, " ", func() string { return g.pick("A=1", "B=2", "A=3", `C="x y"`, "D=", "=x", "E=a=b", `"F=x y"`) })
	case "streamlocalbindmask":
		return g.pick("0177", "000", "0777", "77", "0111", "17x")
	case "tunneldevice":
		return g.pick("any", "any:any", "0", "1:2", "any:3", "4:any", "ANY", "1:")
	case "ignoreunknown":
		return g.pick("foo", "*")
	}
	return g.pick("x", "one", "/some/path", "a,b", "yes", "none", "internal")
}

func (g *generator) time() string {
	return g.pick("0", "30", "300", "1m", "1m30s", "2h", "1d", "1w2d3h4m5s", "none", "90S", "1H", "+5", `"1h 30m"`, "2147483647", "00", "NONE", "1w1w")
}

func (g *generator) port() string {
	if g.chance(g.wild) {
		return g.pick("0", "65536", "-1", "x", "", "22x", "4294967296", "http", "HTTP", "domain", "+22", "nfs")
	}
	return g.pick("22", "2222", "80", "8080", "443", "1", "65535", "ssh", "http", "022", "https")
}

func (g *generator) user() string {
	if g.chance(g.wild) {
		return g.pick("", "-x", "a;b", "a b", "a -b", `a\`, "%h", "${SET}", "a@b", "bob'", "é", "a(b)")
	}
	return g.pick("bob", "root", "alice", "Bob")
}

func (g *generator) command() string {
	return g.pick("none", "nc %h %p", "ssh -W %h:%p gate", "  x  ", `sh -c 'echo # %h'`, `"quoted command" x`, "cmd %r %n %k %%", "cmd %u %d %C %i %l %L", "/usr/bin/x ${SET}", "None", "-", "cmd # comment", "=cmd", "cmd %T", "cmd %z", "cmd %H %K", "cmd a\\ b", "NONE")
}

func (g *generator) jump() string {
	if g.chance(g.wild) {
		return g.pick("a,,b", ",a", "a,", "@a", "a:", "a:0", "a:x", "[::1]:22", "::1", "a b", "a # c", "none # c", "a;b", "$(x)", "u;@h", "-x", "ssh://a", "ssh://u@a:22,b", "ssh://a/x", "a/b", "[a", "a]", "none,a", "a@b@c:22", "None", "host", "127.0.0.1", "a, b", "1.2", "", "%h", "[a]:ssh")
	}
	return g.some(3, ",", func() string {
		return g.pick("gate", "bob@gate", "gate:2200", "bob@gate.example.com:22", "[::1]:2022", "10.0.0.1", "none", "u@10.0.0.1:1")
	})
}

// listen writes the listening side of a forward in one word.
func (g *generator) listen() string {
	return g.pick("", "", "", "localhost:", "127.0.0.1:", "*:", ":", "[::1]:", "[]:", "name:", "[::]:", "0.0.0.0:") + g.forwardPort()
}

func (g *generator) forwardPort() string {
	if g.chance(g.wild) {
		return g.pick("0", "x", "", "65536", "http", "-1", "[80]", `\80`, "80:", "/sock", "${PORT}", "${UNSET}", "${", "/a:/b", "80:80:80:80:80", " 80")
	}
	return g.pick("8080", "1080", "80", "443", "9000", "http", "8443")
}

func (g *generator) target() string {
	if g.chance(15) {
		return g.pick("/run/x.sock", "${SET}:80", "/run/%h.sock", "socks:80", "[a/b]:80", "/x\\:y", "${SOCKET}", "/x/%z", "socks:0", `[/x:y]`)
	}
	return g.pick("localhost", "db.example.com", "[::1]", "127.0.0.1", "*", "", "name") + ":" + g.forwardPort()
}

func (g *generator) forward() string {
	if g.chance(10) {
		return g.pick("/sock", "[/so:ck]", `/so\:ck`, "/sock/%n") + ":" + g.target()
	}
	return g.listen() + ":" + g.target()
}

func (g *generator) twoPart() string {
	listen := g.listen()
	if g.chance(10) {
		listen = g.pick("/sock", "~/sock", "/sock/%n", "${SOCKET}", "DIR/s")
	}
	return g.quote(listen) + g.pick(" ", " ", "  ", "\t") + g.quote(g.target())
}

func (g *generator) algorithms(names []string) string {
	list := g.pick("", "", "+", "-", "^") + g.some(3, ",", func() string { return g.pick(names...) })
	if g.chance(g.wild) {
		list = g.pick("+", "-", "^", "bogus", "+bogus", "-bogus", "^bogus", ",", "+,", "^,", "a,b", "!"+list, list+",,bogus", list+",", "-!"+list, "^+"+list, list+",!aes*", "*,!ssh-rsa", "-*", "+*", "^*")
	}
	return list
}
