package sshconfig

import "fmt"

// newerTexts are configurations that OpenSSH has learned to read since 9.3, and those of which it makes something else since then.
var newerTexts = []string{
	"Tag blue\nMatch tagged blue\nPort 7", "Match tagged \"\"\nPort 7", "Match tagged *\nPort 7", "Tag x\nMatch tagged \"\"\nPort 7", "Tag \"\"", "Match tagged=\nPort 7",
	"Match !tagged blue\nPort 7", "Tag blue\nMatch tagged red,b*\nPort 7", "Tag blue\nMatch tagged *,!blue\nPort 7",
	"Match command \"\"\nPort 7", "Match command *\nPort 7", "RemoteCommand x\nMatch command x\nPort 7", "Match command=\nPort 7", "Match !command \"\"\nPort 7",
	"Match sessiontype shell\nPort 7", "Match sessiontype exec,none\nPort 7", "SessionType none\nMatch sessiontype none\nPort 7", "SessionType subsystem\nMatch sessiontype subsystem\nPort 7",
	"Match sessiontype SHELL\nPort 7", "Match sessiontype bogus\nPort 7", "Match sessiontype \"\"\nPort 7", "RemoteCommand x\nMatch sessiontype exec\nPort 7",
	"Match version OpenSSH_10.*\nPort 7", "Match version OpenSSH_9.*\nPort 7", "Match version OpenSSH_10.6p1*\nPort 7", "Match version\nPort 7", "Match version=OpenSSH_*\nPort 7",
	"Match localnetwork 127.0.0.0/8\nPort 7", "Match localnetwork ::1/128\nPort 7", "Match localnetwork 203.0.113.7\nPort 7", "Match localnetwork x\nPort 7",
	"Match localnetwork 10.0.0.1/8\nPort 7", "Match localnetwork !10.0.0.0/8\nPort 7", "Match localnetwork 203.0.113.0/24,127.0.0.0/8\nPort 7", "Match localnetwork \"\"\nPort 7", "Match !localnetwork 203.0.113.0/24\nPort 7",
	"HostName real\nMatch !final\nUser x\nHost real\nPort 7", "HostName real\nMatch final\nUser x\nHost real\nPort 7", "Match !canonical\nPort 7",
	"Match host=host\nPort 7", "Match HOST=host\nPort 7", "Match host 'host'\nPort 7", "Match host \"ho\"st\nPort 7", "Match exec=true\nPort 7", "Match \"\" host host\nPort 7", "Match all \"\"\nPort 7",
	"User %h-x", "User %r", "User %C", "User %z", "User ${SET}", "User ${NOT_SET}", "User a;b", "User \"a;%h\"", "User %u%%", "HostName real\nUser %h", "User %n\nControlPath %r", "Match user %h\nPort 7\nUser %h",
	"SetEnv A=%h B=${SET}", "SetEnv A=%z", "SetEnv A=${NOT_SET}", "SetEnv %h=x", "SetEnv A=%%",
	"RevokedHostKeys a ~/b %h/c", "RevokedHostKeys a\nRevokedHostKeys b", "RevokedHostKeys none", "RevokedHostKeys none a", "RevokedHostKeys #a", "RevokedHostKeys none\nRevokedHostKeys #a", "RevokedHostKeys \"\"", "RevokedHostKeys ${SET}", "RevokedHostKeys %z", "RevokedHostKeys ${NOT_SET}", "RevokedHostKeys NONE",
	"ChannelTimeout session=5m global=1h", "ChannelTimeout none", "ChannelTimeout #a", "ChannelTimeout session=0.5s", "ChannelTimeout session=0.5", "ChannelTimeout session=none", "ChannelTimeout x=5 y", "ChannelTimeout none a=1", "ChannelTimeout \"a=5\"\nChannelTimeout b=6", "ChannelTimeout a=1h30m", "ChannelTimeout a=-1", "ChannelTimeout a=", "ChannelTimeout a=5=6", "ChannelTimeout",
	"IPQoS lowdelay throughput", "IPQoS af21 lowdelay", "IPQoS RELIABILITY", "IPQoS 16", "IPQoS 184 0", "IPQoS ef none",
	"TCPKeepAlive all", "TCPKeepAlive transport", "TCPKeepAlive no", "KeepAlive ALL",
	"WarnWeakCrypto no", "WarnWeakCrypto no-pq-kex", "WarnWeakCrypto true", "WarnWeakCrypto x", "WarnWeakCrypto no-pq-kex no",
	"VersionAddendum foo %h", "VersionAddendum none", "VersionAddendum %z", "VersionAddendum a \"b c\" # d", "VersionAddendum", "VersionAddendum one\nVersionAddendum two",
	"ObscureKeystrokeTiming no", "ObscureKeystrokeTiming interval:20", "ObscureKeystrokeTiming interval:80", "ObscureKeystrokeTiming interval:0", "ObscureKeystrokeTiming interval:x",
	"ProxyJump bob@gate:22\nControlPath /x/%j", "ProxyJump a,ssh://bob@gate:22\nControlPath /x/%j-%C", "ControlPath /x/%j", "ProxyJump none\nControlPath /x/%j-%C", "ProxyJump [::1]:22\nControlPath %C", "ProxyCommand x\nControlPath %C", "ProxyJump gate\nUserKnownHostsFile %C",
	"KexAlgorithms mlkem768x25519-sha256", "KexAlgorithms ^mlkem768nistp256-sha256", "HostKeyAlgorithms ssh-mldsa44-ed25519", "HostKeyAlgorithms -*mldsa*", "Ciphers ^aes256-gcm@openssh.com", "CASignatureAlgorithms +ssh-mldsa44-ed25519",
	"SetupTimeOut 6", "VerifyHostKeyDNS yes", "StreamLocalBindMask 0111\nStreamLocalBindMask 0222", "Host other\nStreamLocalBindMask 0111",
}

// newerLines are command lines of which OpenSSH makes something else since 9.3.
var newerLines = [][]string{
	{"-l", "%h", "host"}, {"%h@host"}, {"-o", "User=%h", "host"}, {"ssh://host"}, {"a$b@host"}, {`a\b@host`}, {"a;b@host"}, {"-J", "a;b", "host"}, {"-J", "a|b@c", "host"}, {"-J", "x$y@c", "host"},
	{"-J", "b@c,d", "host"}, {"-J", "%h", "host"}, {"-J", "-x", "host"}, {"-J", "a,,b", "host"}, {"-J", "", "host"}, {"-J", "a'b", "host"}, {"-P", "blue", "host"}, {"h$ost"}, {"h*ost"},
	{"-N", "-o", "Tag=x", "host"}, {"-J", "u;@h", "host"}, {"-J", "a@b,c;d", "host"},
}

// newer are samples that say nothing about OpenSSH 9.2.
func newer() []sample {
	all := []sample{{name: "Include", text: "Include DIR/inc-${SET}-%n", files: map[string]string{"inc-value-host": "Port 7"}}}
	for i, text := range newerTexts {
		all = append(all, sample{name: fmt.Sprintf("newer/%d", i), text: text})
	}
	for i, args := range newerLines {
		all = append(all, sample{name: fmt.Sprintf("newer command line/%d", i), text: "User %n-x\nMatch tagged blue\nPort 7", args: args})
	}
	return all
}
