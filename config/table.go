package config

import (
	"path/filepath"
	"sync"

	"github.com/tunneld/tunneld/config/algorithm"
)

// table is every option but Host, Match and Include, each in one row with all that is known of it. The rows stand in the
// order in which `ssh -G` of OpenSSH 10.6 prints them; what it does not print stands beside its kin. Defaults are OpenSSH
// 10.6's, in the form in which it prints them, but for ServerAliveInterval: ssh sends no keepalives where nobody asks for them,
// and a tunnel that is left alone should find out that its server is gone.
var table = sync.OnceValue(func() []keyword {
	return []keyword{
		text("User").to(func(o *Options) any { return &o.User }),
		text("HostName"),
		special("Port", "a port from 1 to 65535 or the name of a TCP service", parsePort).to(func(o *Options) any { return &o.Port }),
		choice("AddressFamily", families).or("any").letter('4', "inet").letter('6', "inet6").to(func(o *Options) any { return &o.AddressFamily }),
		flag("BatchMode").or("no").to(func(o *Options) any { return &o.BatchMode }),
		flag("CanonicalizeFallbackLocal").or("yes"),
		choice("CanonicalizeHostname", canonicalizations).or("false"),
		flag("CheckHostIP").or("no").to(func(o *Options) any { return &o.CheckHostIP }),
		choice("Compression", compressions).or("no").letter('C', "yes").loses("the connection is not compressed"),
		choice("ControlMaster", masters).or("false").checked(checkControlMaster).to(func(o *Options) any { return &o.Master.Mode }),
		flag("EnableSSHKeysign").or("no").loses("host-based authentication is not tried"),
		flag("ClearAllForwardings").or("no").to(func(o *Options) any { return &o.ClearAllForwardings }),
		flag("ExitOnForwardFailure").or("no").to(func(o *Options) any { return &o.ExitOnForwardFailure }),
		special("FingerprintHash", "one of md5, sha1, sha256, sha384, sha512", parseFingerprintHash).or("SHA256").moot("fingerprints are shown as SHA256").offers("md5", "sha256"),
		flag("ForwardX11").or("no").letter('X', "yes").letter('x', "no").loses("X11 is not forwarded: a tunnel opens no session"),
		flag("ForwardX11Trusted").or("yes").moot("X11 is not forwarded"),
		flag("GatewayPorts").or("no").letter('g', "yes").to(func(o *Options) any { return &o.GatewayPorts }),
		flag("GSSAPIAuthentication").or("no").loses("GSSAPI authentication is not tried"),
		flag("GSSAPIKeyExchange").or("no").loses("GSSAPI key exchange is not tried"),
		flag("GSSAPIDelegateCredentials").or("no").letter('k', "no").moot("GSSAPI is not spoken"),
		flag("GSSAPITrustDNS").or("no").moot("GSSAPI is not spoken"),
		flag("GSSAPIRenewalForcesRekey").or("no").moot("GSSAPI is not spoken"),
		text("GSSAPIClientIdentity").moot("GSSAPI is not spoken"),
		text("GSSAPIServerIdentity").moot("GSSAPI is not spoken"),
		special("GSSAPIKexAlgorithms", "a list of GSSAPI key exchanges", parseGSSAPIKex).or(algorithm.DefaultGSSAPI).moot("GSSAPI is not spoken"),
		flag("HashKnownHosts").or("no").to(func(o *Options) any { return &o.HashKnownHosts }),
		flag("HostbasedAuthentication").or("no").loses("host-based authentication is not tried"),
		flag("IdentitiesOnly").or("no").to(func(o *Options) any { return &o.IdentitiesOnly }),
		flag("KbdInteractiveAuthentication").formerly("challengeresponseauthentication", "skeyauthentication", "tisauthentication").or("yes").
			to(func(o *Options) any { return &o.KbdInteractiveAuthentication }),
		flag("NoHostAuthenticationForLocalhost").or("no").to(func(o *Options) any { return &o.NoHostAuthForLocalhost }),
		flag("PasswordAuthentication").or("yes").to(func(o *Options) any { return &o.PasswordAuthentication }),
		flag("PermitLocalCommand").or("no").moot("no local command is run"),
		flag("ProxyUseFdpass").or("no").checked(checkFdpass).moot("refused beside a ProxyCommand, whose connection cannot be taken over"),
		choice("PubkeyAuthentication", publicKeys).formerly("dsaauthentication").or("true").to(func(o *Options) any { return &o.PubkeyAuthentication }),
		choice("RequestTTY", terminals).or("auto").letter('T', "false").to(func(o *Options) any { return &o.Session.Terminal }).moot("of sessions, which `tunneld autossh` opens"),
		choice("SessionType", sessionTypes).or("default").to(func(o *Options) any { return &o.Session.Type }).moot("of sessions, which `tunneld autossh` opens"),
		flag("StdinNull").or("no").letter('n', "yes").to(func(o *Options) any { return &o.Session.StdinNull }).moot("of sessions, which `tunneld autossh` opens"),
		flag("ForkAfterAuthentication").or("no").moot("-f alone is what goes into the background"),
		flag("StreamLocalBindUnlink").or("no").to(func(o *Options) any { return &o.StreamLocalBindUnlink }),
		choice("StrictHostKeyChecking", hostKeyChecking).or("ask").to(func(o *Options) any { return &o.StrictHostKeyChecking }),
		choice("TCPKeepAlive", tcpKeepAlives).formerly("keepalive").or("true").to(func(o *Options) any { return &o.TCPKeepAlive }),
		choice("Tunnel", tunnels).or("false").loses("no tun device is made"),
		choice("VerifyHostKeyDNS", yesNoAsk).or("false").to(func(o *Options) any { return &o.VerifyHostKeyDNS }),
		flag("VisualHostKey").or("no").moot("host keys are not drawn"),
		choice("UpdateHostKeys", yesNoAsk).or("false").to(func(o *Options) any { return &o.UpdateHostKeys }),
		flag("EnableEscapeCommandline").or("no").moot("of sessions, and a tunnel has none"),
		choice("WarnWeakCrypto", weakCrypto).or("yes").fills((*resolver).fillWarnWeakCrypto),
		number("CanonicalizeMaxDots").or("1"),
		number("ConnectionAttempts").or("1").to(func(o *Options) any { return &o.ConnectionAttempts }),
		duration("ForwardX11Timeout").or("1200").moot("X11 is not forwarded"),
		number("NumberOfPasswordPrompts").or("3").to(func(o *Options) any { return &o.NumberOfPasswordPrompts }),
		number("ServerAliveCountMax").or("3").to(func(o *Options) any { return &o.ServerAliveCountMax }),
		duration("ServerAliveInterval").formerly("protocolkeepalives").or("15").to(func(o *Options) any { return &o.ServerAliveInterval }),
		number("RequiredRSASize").or("1024").to(func(o *Options) any { return &o.RequiredRSASize }),
		special("ObscureKeystrokeTiming", "yes, no or interval:MILLISECONDS", parseObscure).or("yes").moot("a tunnel has no keystrokes").offers("yes", "no"),
		text("BindAddress").letter('b', anyValue).to(func(o *Options) any { return &o.BindAddress }),
		text("BindInterface").letter('B', anyValue).to(func(o *Options) any { return &o.BindInterface }),
		algorithmList("Ciphers", &algorithm.Ciphers).toOwnNames(func(o *Options) *[]string { return &o.Ciphers }),
		text("ControlPath").letter('S', anyValue).orNone().fills((*resolver).fillControlPath),
		algorithmList("HostKeyAlgorithms", &algorithm.Keys).toNames(func(o *Options) *[]string { return &o.HostKeyAlgorithms }),
		text("HostKeyAlias").to(func(o *Options) any { return &o.HostKeyAlias }),
		algorithmList("HostbasedAcceptedAlgorithms", &algorithm.Keys).formerly("hostbasedkeytypes").moot("host-based authentication is not tried"),
		special("IdentityAgent", "the path of a socket, $VARIABLE, SSH_AUTH_SOCK or none", parseIdentityAgent).fills((*resolver).fillAgent),
		text("IgnoreUnknown"),
		text("RefuseConnection").refused("the configuration refuses this connection", "remove the line, or use another alias"),
		text("KbdInteractiveDevices").moot("the server chooses the devices"),
		algorithmList("KexAlgorithms", &algorithm.KeyExchanges).toOwnNames(func(o *Options) *[]string { return &o.KexAlgorithms }),
		algorithmList("CASignatureAlgorithms", &algorithm.Signatures).toNames(func(o *Options) *[]string { return &o.CASignatureAlgorithms }),
		command("LocalCommand").orNone().checked(checkLocalCommand).moot("no local command is run"),
		command("RemoteCommand").orNone().losesSession("the command is not run: a tunnel opens no session").to(func(o *Options) any { return &o.Session.Command }),
		special("LogLevel", "one of QUIET, FATAL, ERROR, INFO, VERBOSE, DEBUG, DEBUG1, DEBUG2, DEBUG3", parseLogLevel).or("INFO").letter('q', "QUIET").
			printed(printLogLevel).to(func(o *Options) any { return &o.Session.LogLevel }).offers("QUIET", "FATAL", "ERROR", "INFO", "VERBOSE", "DEBUG", "DEBUG1", "DEBUG2", "DEBUG3"),
		algorithmList("MACs", &algorithm.MACs).toOwnNames(func(o *Options) *[]string { return &o.MACs }),
		text("PKCS11Provider").formerly("smartcarddevice").letter('I', anyValue).orNone().to(func(o *Options) any { return &o.PKCS11Provider }),
		text("SecurityKeyProvider").or("internal").orNone().fills((*resolver).fillSecurityKey),
		text("PreferredAuthentications").fills((*resolver).fillMethods).offers("publickey", "keyboard-interactive", "password"),
		algorithmList("PubkeyAcceptedAlgorithms", &algorithm.Keys).formerly("pubkeyacceptedkeytypes").
			toNames(func(o *Options) *[]string { return &o.PubkeyAcceptedAlgorithms }),
		text("XAuthLocation").or("/usr/bin/xauth").moot("X11 is not forwarded"),
		command("KnownHostsCommand").orNone().fills((*resolver).fillKnownHostsCommand),
		text("Tag"),
		special("VersionAddendum", "words to say behind our name, or none", parseVersionAddendum).takesRest().fills((*resolver).fillVersionAddendum),
		special("DynamicForward", "[bind_address:]port", parseForwardLine).printed(printForwards),
		special("LocalForward", "[bind_address:]port host:hostport", parseForwardLine).printed(printForwards),
		special("RemoteForward", "[bind_address:]port host:hostport, or [bind_address:]port", parseForwardLine).printed(printForwards),
		repeated("IdentityFile", parseIdentityFile).formerly("identityfile2").printed(each).
			or("~/.ssh/id_rsa", "~/.ssh/id_ecdsa", "~/.ssh/id_ecdsa_sk", "~/.ssh/id_ed25519", "~/.ssh/id_ed25519_sk", "~/.ssh/id_mldsa44_ed25519").fills((*resolver).fillIdentityFiles),
		list("CanonicalDomains", "a list of domain names, or none", maxInt, checkDomain).printed(together),
		repeated("CertificateFile", parseCertificateFile).printed(each).fills((*resolver).fillCertificateFiles),
		list("GlobalKnownHostsFile", "a list of file names, or none", maxHostFiles, anyWord).printed(together).
			or(filepath.Join(systemDirectory, "ssh_known_hosts"), filepath.Join(systemDirectory, "ssh_known_hosts2")).fills((*resolver).fillGlobalKnownHosts),
		list("UserKnownHostsFile", "a list of file names, or none", maxHostFiles, anyWord).printed(together).or(userHostKeys, "~/.ssh/known_hosts2").
			to(func(o *Options) any { return &o.UserKnownHostsFile }),
		list("RevokedHostKeys", "a list of file names, or none", maxHostFiles, anyWord).neverEmpty().printed(together).orNone().to(func(o *Options) any { return &o.RevokedHostKeys }),
		special("SendEnv", "a list of names", parseSendEnv).printed(each).to(func(o *Options) any { return &o.Session.SendEnv }).moot("of sessions, which `tunneld autossh` opens"),
		special("SetEnv", "a list of NAME=value", parseSetEnv).printed(each).to(func(o *Options) any { return &o.Session.SetEnv }).moot("of sessions, which `tunneld autossh` opens"),
		special("LogVerbose", "a list of file:function:line patterns, or none", parseLogVerbose).printed(together).moot("the log does not come from the files of ssh"),
		special("ChannelTimeout", "a list of TYPE=TIME, or none", parseChannelTimeout).neverEmpty().printed(together).orNone().fills((*resolver).fillChannelTimeouts),
		special("PermitRemoteOpen", "a list of host:port, any, or none", parsePermitRemoteOpen).printed(otherwise("any")).fills((*resolver).fillPermitRemoteOpen).offers("any", "none"),
		special("AddKeysToAgent", "yes, no, ask, confirm, a time, or confirm and a time", parseAddKeysToAgent).or("false").
			loses("keys are not added to the agent").offers("yes", "no", "ask", "confirm"),
		special("ForwardAgent", "yes, no or the path of a socket", parseForwardAgent).or("no").letter('A', "yes").letter('a', "no").printed(printForwardAgent).
			losesSession("the agent is not forwarded: a tunnel opens no session").fills(fillAgentForwarding).offers("yes", "no"),
		duration("ConnectTimeout").formerly("setuptimeout").printed(otherwise("none")).fills((*resolver).fillConnectTimeout),
		special("TunnelDevice", "local[:remote], each a number or any", parseTunnelDevice).or("any:any").moot("no tun device is made"),
		list("CanonicalizePermittedCNAMEs", "a list of FROM:TO, or none", maxDomains, checkCNAME).printed(together).unless("none:"),
		special("ControlPersist", "yes, no or a time", parseControlPersist).or("no").moot("the connection stays in any case").offers("yes", "no"),
		special("EscapeChar", "one character, ^ and a letter, or none", parseEscapeChar).or("~").fills(fillEscape).moot("of sessions, which `tunneld autossh` opens"),
		special("IPQoS", "a DSCP name (af11..af43, cs0..cs7, ef, le), 0 to 255, or none", parseIPQoS).
			or("ef cs0").fills((*resolver).fillIPQoS).offers("ef", "cs0", "cs1", "le", "none"),
		special("RekeyLimit", "a size such as 1G or default, and optionally a time or none", parseRekeyLimit).or("0").printed(printRekeyLimit).
			fills((*resolver).fillRekeyLimit),
		special("StreamLocalBindMask", "an octal mask from 0 to 0777", parseBindMask).or("0177").to(func(o *Options) any { return &o.StreamLocalBindMask }),
		special("SyslogFacility", "one of DAEMON, USER, AUTH, AUTHPRIV, LOCAL0 to LOCAL7", parseSyslogFacility).or("USER").moot("-y writes as a user program"),
		command("ProxyCommand").orNone().printed(printProxy).fills((*resolver).fillProxyCommand),
		special("ProxyJump", "[user@]host[:port] or a list of them, or none", parseProxyJump).takesRest().printed(nothing).unless("none"),

		ownTime("TunneldHold", "a time such as 30s, or 0", 0, "").or("30s").to(func(o *Options) any { return &o.Hold }).
			means("how long a new local connection waits for the tunnel; 0 refuses at once"),
		special("TunneldEcho", "auto, off, a port, or service:PORT", parseEcho).or("auto").fills((*resolver).fillEcho).
			means("`auto` loops a nonce through a listener the server chooses, `off`, a port to use for the loop, or `service:PORT` for an echo service at the server; where the server cannot do it, `status` says why and keepalives watch alone").offers("auto", "off", "service:"),
		ownTime("TunneldEchoInterval", "a time such as 60s, or 0 for no echo probes", 0, "").or("1m").to(func(o *Options) any { return &o.EchoInterval }).
			means("between echo probes, or up to an eighth less where one can take the place of a keepalive; 0 sends none"),
		ownTime("TunneldBackoffMax", "a time such as 60s", 1, "").or("1m").to(func(o *Options) any { return &o.BackoffMax }).
			means("longest wait between attempts"),
		special("TunneldConnections", "a number from 1 to 64", parseConnections).or("1").to(func(o *Options) any { return &o.Connections }).
			means("SSH connections that share the load, up to 64"),
		ownTime("TunneldDrain", "a time such as 10s, or 0", 0, "").or("10s").to(func(o *Options) any { return &o.Drain }).
			means("how long open connections may go on when stopping; after a planned replacement, how long those may that carry nothing (a transfer goes on to its end, and a quiet connection of a session that was only late, or whose certificate ends, for as long as that lives)"),
		ownTime("TunneldMaxLifetime", "a time such as 12h, or none", 1, "none").or("none").to(func(o *Options) any { return &o.MaxLifetime }).
			means("replace the connection after this long, the new one first").offers("none"),
		text("TunneldPortFile").or("none").toPath(func(o *Options) *string { return &o.PortFile }).
			means("where the ports that the server chose for `-R 0:HOST:PORT` are written, a line `SPEC BOUND` for each; `%n` and other tokens as in IdentityFile"),
		text("TunneldPassphraseFile").or("none").toPath(func(o *Options) *string { return &o.PassphraseFile }).
			means("where the passphrase of an encrypted key is read, which no server ever sees; also the systemd credentials `passphrase.ALIAS` and `passphrase`"),
		text("TunneldPasswordFile").or("none").toPath(func(o *Options) *string { return &o.PasswordFile }).
			means("where the password of User at this host, and at no jump host, is read: see Secrets in files; also the systemd credentials `password.ALIAS` and, for the destination, `password`"),
		ownTime("TunneldLazy", "a time such as 10m, or no", 1, "no").or("no").to(func(o *Options) any { return &o.Lazy }).
			means("connect on the first local connection, and disconnect after this idle time").offers("no"),
		special("TunneldDNS", "[bind_address:]port=server[:port], or none", parseDNS).or("none").printed(each).fills((*resolver).fillDNS).
			means("answers DNS here, over UDP and TCP, by asking SERVER over TCP through the tunnel: `[BIND:]PORT=SERVER[:PORT]`, in a line for each; see Names of the far end").offers("none"),
		hook("TunneldBeforeConnect", func(o *Options) *string { return &o.BeforeConnect }).
			means("shell command that runs before each attempt to connect to this host, jump hosts with theirs, and has to end with 0; see Commands of yours"),
		hook("TunneldOnUp", func(o *Options) *string { return &o.OnUp }).
			means("shell command that runs when the tunnel has come up; a planned replacement is no reason"),
		hook("TunneldOnDown", func(o *Options) *string { return &o.OnDown }).
			means("shell command that runs when the tunnel is down again, also because it was stopped"),
	}
})

// oldNames are options that OpenSSH takes and does nothing with.
var oldNames = []string{
	"Protocol", "Cipher", "FallbackToRsh", "GlobalKnownHostsFile2", "RhostsAuthentication", "UseBlacklistedKeys",
	"UserKnownHostsFile2", "UseRoaming", "UseRsh", "UsePrivilegedPort", "AFSTokenPassing", "KerberosAuthentication",
	"KerberosTGTPassing", "RSAAuthentication", "RhostsRSAAuthentication", "CompressionLevel",
}
