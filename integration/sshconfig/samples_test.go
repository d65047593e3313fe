package sshconfig

import (
	"fmt"
	"slices"
	"strings"
)

// texts are configurations by what they are about. The destination is "host"; "DIR" stands for the directory of includes.
var texts = map[string][]string{
	"reader": {
		"", "\n\n", "# only a comment", "Port 22", "Port=22", "Port = 22", "Port\t22", "  Port  22  ", "PORT 22", "pOrT 22",
		"Port 22\r\nUser bob\r\n", "Port 22 # comment", "Port 22#comment", "Port \"22\"", "Port '22'", "\"Port\" 22", "'Port' 22",
		"Port\"22\"", "Port 22 23", "Port", "Port ", "Port =", "Port==22", "Port = = 22", "=Port 22", "Port 22\f", "\fPort 22",
		"User \"a b\"", "User a\\ b", "User \"a\\\"b\"", "User 'a\"b'", "User \"a'b\"", "User a\"b\"c", "User \"unclosed", "User it's",
		"User \\", "User \\\\", "User a#b", "User #b", "User \"#b\"", "User ''", "User \"\"", "User \"a\" # c", "User =bob", "User bob=x",
		"\"User bob", "User\x0bbob", "User bob\x00garbage", "\ufeffUser bob", "Bogus x", "Bogus", "Host host\n Bogus x", "Host other\n Bogus x",
		"Host other\n Port 70000", "Port x\nUser", "User bob\nUser alice", "user\tbob\t", "Port 22 \"\"", "Port \\22",
		"IdentityFile /x/id#1", "ProxyCommand sh -c 'echo # %h'", "ProxyCommand \"my proxy\" \"x y\"", "ProxyCommand=nc %h %p",
		"ProxyCommand = nc a=b", "ProxyCommand   nc   x  ", "ProxyCommand", "ProxyCommand #", "ProxyCommand \"unclosed", "ProxyCommand it's",
		"LocalCommand echo \"#\" # x", "KnownHostsCommand /bin/x %H", "User " + strings.Repeat("x", 3000),
	},
	"ignored keywords": {
		"IgnoreUnknown Foo\nFoo x", "IgnoreUnknown foo\nFOO x", "IgnoreUnknown *\nBar x y z", "IgnoreUnknown !foo,*\nfoo x",
		"Foo x\nIgnoreUnknown Foo", "IgnoreUnknown a,b\nA 1\nB 2\nC 3", "IgnoreUnknown Foo\nIgnoreUnknown Bar\nBar x", "IgnoreUnknown Foo\nFoo",
		"IgnoreUnknown Foo\nFoo \"unclosed", "Host other\nIgnoreUnknown Foo\nHost host\nFoo x", "IgnoreUnknown Port\nPort x",
		"Protocol 2", "Cipher des", "UseRoaming no", "RSAAuthentication yes", "CompressionLevel 9", "AFSTokenPassing no", "Protocol",
		"UseBlacklistedKeys no", "ProtocolKeepAlives 5", "SetupTimeOut 6", "KeepAlive no", "DSAAuthentication no", "IdentityFile2 x",
		"PubkeyAcceptedKeyTypes ssh-rsa", "HostbasedKeyTypes ssh-rsa", "ChallengeResponseAuthentication no", "SmartcardDevice /x",
	},
	"Host": {
		"Host host\nPort 1", "Host other\nPort 1", "Host *\nPort 1", "Host h*\nPort 1", "Host ?ost\nPort 1", "Host host?\nPort 1",
		"Host a host b\nPort 1", "Host a\thost\nPort 1", "Host !host *\nPort 1", "Host * !host\nPort 1", "Host !other\nPort 1", "Host !other *\nPort 1",
		"Host \"host\"\nPort 1", "Host 'h'ost\nPort 1", "Host a#b\nPort 1", "Host host#b\nPort 1", "Host host # b\nPort 1", "Host HOST\nPort 1",
		"Host h,host\nPort 1", "Host=host\nPort 1", "Host \"\"\nPort 1", "Host\nPort 1", "Host #\nPort 1", "Host ho\\st\nPort 1", "Host **\nPort 1",
		"Host a\nHost host\nPort 1\nHost b\nPort 2", "HostName real\nHost real\nPort 1", "Host a\nPort 1\nMatch all\nPort 2",
	},
	"Match": {
		"Match all\nPort 1", "Match !all\nPort 1", "Match all # c\nPort 1", "Match all user x\nPort 1", "Match user root all\nPort 1",
		"Match user bob all\nPort 1", "Match host host user root all\nPort 1", "Match ALL\nPort 1", "Match\nPort 1", "Match #\nPort 1", "Match \"\"\nPort 1",
		"Match host host\nPort 1", "Match host=host\nPort 1", "Match host = host\nPort 1", "Match host host,other\nPort 1", "Match host *,!host\nPort 1",
		"Match host !other\nPort 1", "Match !host other\nPort 1", "Match !host host\nPort 1", "Match host \"host\"\nPort 1", "Match host 'host'\nPort 1",
		"Match host \"a host\"\nPort 1", "Match HOST HOST\nPort 1", "Match host\nPort 1", "Match host #x\nPort 1", "Match host host extra\nPort 1",
		"Match host host \"\" extra\nPort 1", "Match host host \"\"\nPort 1", "Match host h\"os\"t\nPort 1", "Match host \"host\nPort 1", "Match bogus x\nPort 1",
		"HostName real\nMatch host real\nPort 1", "HostName real\nMatch host host\nPort 1", "HostName %h.x\nMatch host host.x\nPort 1",
		"HostName real\nMatch originalhost host\nPort 1", "Match originalhost other\nPort 1", "Match originalhost host host host\nPort 1",
		"Match user root\nPort 1", "User bob\nMatch user bob\nPort 1", "User bob\nMatch user root\nPort 1", "Match user BOB\nPort 1", "Match user *,!root\nPort 1",
		"User bob\nMatch localuser root\nPort 1", "Match localuser bob\nPort 1", "Match !localuser bob\nPort 1",
		"Match exec true\nPort 1", "Match exec false\nPort 1", "Match !exec false\nPort 1", "Match exec \"exit 1\"\nPort 1", "Match exec \"test %h = host\"\nPort 1",
		"Match exec \"test %n-%p-%r-%u-%i-%L-%l-%k-%d\"\nPort 1", "Match exec \"true %z\"\nPort 1", "Match exec \"true %\"\nPort 1", "Match exec \"true %%\"\nPort 1",
		"Match host other exec \"true %z\"\nPort 1", "Match exec \"kill -9 $$\"\nPort 1", "HostKeyAlias a\nMatch exec \"test %k = a\"\nPort 1",
		"Port 7\nMatch exec \"test %p = 7\"\nUser bob", "User bob\nMatch exec \"test %r = bob\"\nPort 1", "Match exec\nPort 1", "HostName %z\nMatch user x\nPort 1",
		"Match final\nPort 1", "Match !final\nPort 1", "Match final all\nPort 1", "Match canonical\nPort 1", "Match !canonical\nPort 1", "Match canonical all\nPort 1",
		"Match final\nUser a\nMatch canonical\nPort 1", "HostName real\nHost real\nPort 1\nMatch final all\nUser bob", "HostName %%\nMatch final host %\nPort 1", "Match host other final\nPort 1\nHost host\nUser x",
		"Match final host host\nPort 1", "Match final host real\nPort 1\nHost host\nHostName real", "Match FINAL\nPort 1", "Match final originalhost host\nPort 1",
		"Match all '#'\nPort 1", "Match final '#'\nPort 1", "Match user root \"#x\"\nPort 1", "Match '#'\nPort 1",
	},
	"second pass": {
		"Match final\nHost host\nIdentityFile a\nLocalForward 1 h:1\nSendEnv A", "Match final\nIdentityFile b\nHost *\nIdentityFile a",
		"Host host\nHostName REAL\nHost real\nPort 1\nMatch final\nUser b", "CanonicalizeHostname yes\nHost host\nHostName real\nHost real\nPort 1",
		"CanonicalizeHostname yes\nMatch canonical\nPort 1", "CanonicalizeHostname always\nProxyJump x\nMatch canonical\nPort 1", "CanonicalizeHostname no\nMatch canonical\nPort 1",
		"CanonicalizeHostname yes\nCanonicalDomains invalid\nMatch final\nPort 1", "CanonicalizeHostname yes\nCanonicalDomains invalid\nCanonicalizeFallbackLocal no",
		"CanonicalizeHostname yes\nCanonicalizeMaxDots 0\nHostName a.b\nCanonicalDomains invalid\nCanonicalizeFallbackLocal no",
		"Match final\nCanonicalizeMaxDots 3\nCanonicalizeFallbackLocal no\nCanonicalizeHostname yes",
	},
	"HostName": {
		"HostName real", "HostName REAL.Example", "HostName %h.x", "HostName %%", "HostName %n", "HostName %", "HostName %h%h", "HostName 127.1", "HostName ::1",
		"HostName 0:0:0:0:0:0:0:1", "HostName 010.0.0.1", "HostName 0x7f.1", "HostName 1.2.3.4.5", "HostName FE80::A", "HostName ::ffff:1.2.3.4", "HostName 1.2.3",
		"HostName ::1:2", "HostName fe80::1%lo", "HostName fe80::1%99", "HostName ::1%0", "HostName real.", "HostName \"a b\"", "HostName a;b", "HostName -x",
		"AddressFamily inet\nHostName ::1", "AddressFamily inet6\nHostName 127.1", "AddressFamily inet\nHostName ::ffff:1.2.3.4", "HostName", "HostName \"\"",
	},
	"multi-valued": {
		"IdentityFile a\nIdentityFile b\nIdentityFile a", "IdentityFile none", "IdentityFile a\nIdentityFile none", "CertificateFile a\nCertificateFile b",
		"SendEnv A B\nSendEnv C\nSendEnv -B", "SendEnv A* -A*", "SendEnv -*\nSendEnv X", "SendEnv A=1", "SendEnv \"\"", "SendEnv", "SetEnv A=1 B=2\nSetEnv C=3",
		"SetEnv A=1 A=2", "SetEnv A", "SetEnv \"A=x y\"", "SetEnv =x", "UserKnownHostsFile a b\nUserKnownHostsFile c", "UserKnownHostsFile none", "UserKnownHostsFile a none",
		"UserKnownHostsFile none a", "UserKnownHostsFile \"\"", "UserKnownHostsFile #", "GlobalKnownHostsFile none", "GlobalKnownHostsFile /a \"/b c\"",
		"UserKnownHostsFile " + numbered("f", 32), "UserKnownHostsFile " + numbered("f", 33), "CanonicalDomains " + numbered("d", 32), "CanonicalDomains " + numbered("d", 33),
		"Host other\nUserKnownHostsFile " + numbered("f", 33), "PermitRemoteOpen a:1 b:*\nPermitRemoteOpen c:3", "LogVerbose a b c\nLogVerbose d",
		strings.Repeat("IdentityFile x\n", 200), lines("IdentityFile f%d", 100), lines("IdentityFile f%d", 101), lines("CertificateFile f%d", 101),
		"StreamLocalBindMask 0111\nStreamLocalBindMask 0222", "Host other\nStreamLocalBindMask 0111", "Host other\nSyslogFacility LOCAL1\nHost host\nSyslogFacility LOCAL2",
		"RekeyLimit 1G\nRekeyLimit 2G 1h", "RekeyLimit default none\nRekeyLimit 1G 5", "ForwardAgent no\nForwardAgent /x", "ForwardAgent /x\nForwardAgent no",
		"ConnectTimeout none\nConnectTimeout 5", "ServerAliveInterval none", "ServerAliveInterval none\nServerAliveInterval 3", "BatchMode yes", "BatchMode yes\nServerAliveInterval none",
	},
	"tokens": {
		"UserKnownHostsFile /x/%h-%n-%p-%r-%u-%i-%L-%l-%k-%d-%C-%%", "UserKnownHostsFile /x/%z", "UserKnownHostsFile /x/%", "UserKnownHostsFile ${SET}", "UserKnownHostsFile ${NOT_SET}",
		"UserKnownHostsFile ${", "UserKnownHostsFile ${}", "UserKnownHostsFile ~/x", "UserKnownHostsFile ~root/x", "UserKnownHostsFile ~nosuchuser/x", "UserKnownHostsFile ~", "UserKnownHostsFile ~//x",
		"ControlPath ~/%C", "ControlPath none", "ControlPath %z", "ControlPath ${SET}", "IdentityAgent ~/%u", "IdentityAgent ${SET}", "IdentityAgent ${NOT_SET}", "IdentityAgent $SET",
		"IdentityAgent $NOT-A-NAME", "IdentityAgent none", "IdentityAgent SSH_AUTH_SOCK", "Host other\nIdentityAgent ${NOT_SET}", "IdentityFile %z", "IdentityFile ${NOT_SET}", "CertificateFile ~/%h",
		"RemoteCommand echo %h %n %%", "RemoteCommand %z", "RemoteCommand ${SET}", "LocalCommand %z", "ProxyCommand %z %h", "KnownHostsCommand /x %z", "RevokedHostKeys ~/%h", "GlobalKnownHostsFile ~/%h",
		"HostKeyAlias KEY\nUserKnownHostsFile %k", "HostName real\nUserKnownHostsFile %k-%h-%n", "User bob\nPort 7\nHostName real\nControlPath %C", "ForwardAgent ~/%h", "ForwardAgent ${NOT_SET}",
		"ForwardAgent /no/such\nExitOnForwardFailure yes", "ForwardAgent $SET", "ForwardAgent DIR/config\nExitOnForwardFailure yes",
	},
	"ProxyJump": {
		"ProxyJump gate", "ProxyJump bob@gate:2200", "ProxyJump a,b@c:1,d", "ProxyJump ssh://bob@gate:22", "ProxyJump ssh://gate/x", "ProxyJump [::1]:22", "ProxyJump ::1", "ProxyJump 10.0.0.1",
		"ProxyJump none", "ProxyJump NONE", "ProxyJump none\nProxyJump gate", "ProxyJump gate\nProxyJump none", "ProxyJump gate\nProxyCommand nc", "ProxyCommand nc\nProxyJump gate",
		"ProxyCommand none\nProxyJump gate", "ProxyJump none\nProxyCommand nc", "ProxyCommand none", "ProxyCommand None", "ProxyJump a, b", "ProxyJump a b", "ProxyJump a # c", "ProxyJump none # c",
		"ProxyJump a,,b", "ProxyJump ,a", "ProxyJump a,", "ProxyJump @a", "ProxyJump a:0", "ProxyJump a:x", "ProxyJump a:", "ProxyJump host", "ProxyJump root@host:22", "ProxyJump bob@host",
		"ProxyJump host:23", "ProxyJump a;b", "ProxyJump \"a\"", "ProxyJump %h", "ProxyJump=a", "ProxyUseFdpass yes\nProxyJump a", "ProxyUseFdpass yes\nProxyCommand -", "ProxyUseFdpass yes\nProxyCommand x",
		"ProxyJump none,a", "ProxyJump a@b@c", "ProxyJump ssh://gate.:22", "Host other\nProxyJump a:x",
	},
	"ClearAllForwardings": {
		"ClearAllForwardings yes\nLocalForward 1 h:1\nRemoteForward 2 h:2\nDynamicForward 3\nTunnel yes", "ClearAllForwardings no\nLocalForward 1 h:1",
	},
	"what ssh finds out late": {
		"ConnectionAttempts 0", "ForkAfterAuthentication yes", "ForkAfterAuthentication yes\nSessionType none", "ForkAfterAuthentication yes\nRemoteCommand x", "UpdateHostKeys ask",
		"UpdateHostKeys ask\nRequestTTY no", "UpdateHostKeys ask\nLogLevel QUIET", "UpdateHostKeys ask\nControlPath x\nControlPersist 5", "UpdateHostKeys ask\nRemoteCommand x", "VerifyHostKeyDNS yes",
		"UserKnownHostsFile ~/.ssh/known_hosts", "UserKnownHostsFile /x", "VerifyHostKeyDNS ask\nUserKnownHostsFile ~/.ssh/known_hosts", "SessionType subsystem", "User a;b", "User -x", "HostKeyAlias ABC",
		"HostbasedAcceptedAlgorithms rsa", "Ciphers ,\nMACs hmac-md5\nLocalCommand none\nProxyJump none", "HostKeyAlgorithms rsa", "KexAlgorithms gss-gex-sha1-",
	},
}

func numbered(word string, count int) string {
	var words []string
	for i := range count {
		words = append(words, fmt.Sprint(word, i))
	}
	return strings.Join(words, " ")
}

func lines(format string, count int) string {
	var b strings.Builder
	for i := range count {
		fmt.Fprintf(&b, format+"\n", i)
	}
	return b.String()
}

// values are the arguments that each keyword is tried with, right and wrong ones.
var values = map[string][]string{
	"AddKeysToAgent":              {"yes", "no", "ask", "confirm", "5m", "confirm 5m", "confirm x", "yes 5m", "0", "x", ""},
	"AddressFamily":               {"any", "INET", "inet6", "ipv4", "\"\""},
	"BindAddress":                 {"127.0.0.1", "", "a b", "none"},
	"CanonicalDomains":            {"none", "a.b c", "A.B.", "a..b", ".a", "a_b", "a b none", "\"\"", "a/b"},
	"CanonicalizeHostname":        {"yes", "no", "always", "true", "x"},
	"CanonicalizeMaxDots":         {"0", "3", "x", "-1"},
	"CanonicalizePermittedCNAMEs": {"none", "none a:b", "a", "a:", "x:y none"},
	"CASignatureAlgorithms":       {"ssh-ed25519", "+ssh-rsa", "-rsa*", "bogus", "ssh-ed25519-cert-v01@openssh.com,ssh-rsa"},
	"Ciphers":                     {"aes128-ctr", "+aes128-cbc", "-aes*", "^aes256-ctr", "aes*", "bogus", "aes128-ctr,bogus", "-bogus", "+", "-", "^", ",", "aes128-ctr,,bogus", "-*", "AES128-CTR", "\"aes128-ctr\"", "aes128-ctr aes256-ctr"},
	"Compression":                 {"yes", "no", "true", "x"},
	"ConnectTimeout":              {"5", "1m30s", "1w2d", "none", "None", "-1", "5x", "2147483648", "", "\"1h 30m\"", "+5", "0"},
	"ControlMaster":               {"yes", "no", "auto", "ask", "autoask", "x"},
	"ControlPersist":              {"yes", "no", "10m", "0", "YES", "x"},
	"DynamicForward":              {"1080", "localhost:1080", "[::1]:1080", "*:1080", ":1080", "0", "http", "/run/s", "/a:/b", "a:b:1", "1080 x", "65536", "${PORT}", "${NOT_SET}", "[a:1080", "1080:"},
	"EscapeChar":                  {"~", "none", "^A", "^[", "x", "ab", "^", "^^", "\"\\\\\"", "\" \"", "\x7f", "\xff", "é"},
	"FingerprintHash":             {"md5", "SHA256", "sha512", "sha3"},
	"ForwardX11Timeout":           {"0", "20m", "none"},
	"GSSAPIKexAlgorithms":         {"gss-gex-sha1-", "gss-group14-sha256-,gss-gex-sha1-", "bogus", "curve25519-sha256", ","},
	"HostKeyAlgorithms":           {"ssh-rsa", "+ssh-rsa", "-*cert*", "^rsa-sha2-512", "ssh-*", "bogus", "bogus*", "ssh-rsa,!x", "RSA,ssh-rsa", "*", "!ssh-rsa"},
	"IPQoS":                       {"af11", "AF11 ef", "lowdelay", "none", "cs1 none", "0x10", "16 8", "256", "-1", "x", "af11 ef le", "le", "reliability", "0", "010", "", "\"\""},
	"KexAlgorithms":               {"curve25519-sha256", "+diffie-hellman-group1-sha1", "-ecdh*", "^ecdh-sha2-nistp256", "bogus", "gss-gex-sha1-x,ecdh-sha2-nistp256"},
	"LocalForward":                {"8080 h:80", "localhost:8080 h:80", "[::1]:8080 [h]:80", "*:8080 h:80", ":8080 h:80", "8080 /run/s", "/run/s h:80", "/a /b", "http h:https", "8080", "0 h:80", "8080 h", "8080 h:0", "8080 h:80 x", "8080:h:80", "\"8080\" 'h:80'", "8080 ${SET}:80", "8080 ${NOT_SET}", "/run/%h-%n /x/%z", "/run/%h /x", "1 socks:80", "8080 [h:80", "[h]x:8080 h:80", "8080 a\\:b:80", strings.Repeat("x", 250) + ":8080 h:80", "8080 h:80#x", "8080 h:80 #x"},
	"LogLevel":                    {"QUIET", "silent", "debug", "DEBUG1", "debug3", "x", ""},
	"LogVerbose":                  {"none", "a b", "a none", "none a", "\"\""},
	"MACs":                        {"hmac-sha1", "+hmac-md5", "-umac*", "^hmac-sha1", "bogus", "hmac*"},
	"NumberOfPasswordPrompts":     {"1", "+2", "007", "\" 3\"", "x", "2147483648", "", "1.5"},
	"PermitRemoteOpen":            {"any", "none", "h:80", "h:*", "[::1]:22 *:80", "h", "h:0", "h:x", "any h:1", "h:1 none", "h/80", "[h:80", "localhost:http", "", "#"},
	"Port":                        {"22", "65535", "65536", "0", "-1", "ssh", "http", "HTTP", "022", "+22", "x", "22x", "\" 22\""},
	"PubkeyAuthentication":        {"yes", "no", "unbound", "host-bound", "x"},
	"RekeyLimit":                  {"default", "1G", "1.5K", "15", "16", "0", "x", "8E", "1G 1h", "1G none", "default none", "1G x", "1G 1h x", "1Gb", "-1", ".5G", "1K-", "1G \"\"", "none"},
	"RemoteForward":               {"8080 h:80", "8080", "0 h:80", "0", "localhost:8080", "/run/s", "/run/s /x", "[::1]:0 h:80", "a:b:c", "8080:h:80", "8080 h:80 x", "8080 /run/%h", "${NOT_SET} h:80"},
	"RequestTTY":                  {"yes", "no", "force", "auto", "x"},
	"SessionType":                 {"none", "default", "x"},
	"StreamLocalBindMask":         {"0177", "777", "1000", "8", "17x", "-1", "x", "40000000000"},
	"StrictHostKeyChecking":       {"yes", "no", "ask", "off", "accept-new", "ACCEPT-NEW", "x"},
	"SyslogFacility":              {"USER", "local0", "x"},
	"Tunnel":                      {"yes", "no", "point-to-point", "ethernet", "x"},
	"TunnelDevice":                {"any", "0", "1:2", "any:3", "4:any", "x", "1:", "-1", "2147483646", "1:2:3"},
	"UpdateHostKeys":              {"yes", "no", "ask", "x"},
	"VerifyHostKeyDNS":            {"yes", "no", "ask", "x"},
}

// commandLines are arguments of ssh for a configuration.
var commandLines = []struct {
	text string
	args []string
}{
	{"", []string{"bob@host"}}, {"", []string{"b@o@host"}}, {"", []string{"ssh://bob@host:2200"}}, {"", []string{"ssh://host/"}}, {"", []string{"ssh://host/x"}}, {"", []string{"ssh://host:0"}},
	{"", []string{"ssh://b%20b@host"}}, {"", []string{"ssh://b;x=y@host"}}, {"", []string{"ssh://@host"}}, {"", []string{"ssh://[::1]"}}, {"", []string{"ssh://host."}}, {"", []string{"@host"}},
	{"", []string{"HOST"}}, {"Host HOST\nPort 1", []string{"HOST"}}, {"Host host\nPort 1", []string{"HOST"}}, {"", []string{"127.1"}}, {"", []string{"::1"}}, {"", []string{"[::1]"}}, {"", []string{"ho;st"}},
	{"", []string{"-l", "bob", "alice@host"}}, {"", []string{"alice@host", "-l", "bob"}}, {"User carol", []string{"-l", "bob", "host"}}, {"", []string{"-l", "a;b", "host"}}, {"User a;b", []string{"ssh://host"}},
	{"Port 1", []string{"-p", "2", "host"}}, {"", []string{"-p", "2", "-p", "3", "host"}}, {"", []string{"-p", "x", "host"}}, {"", []string{"-o", "Port=1", "-p", "x", "host"}}, {"", []string{"ssh://host:5", "-p", "6"}},
	{"", []string{"-p", "6", "ssh://host:5"}}, {"", []string{"-p2222", "host"}}, {"", []string{"host", "-p", "2222"}}, {"", []string{"-o", "Port 2", "host"}}, {"", []string{"-o", " port = 2", "host"}}, {"", []string{"-o", "Port", "host"}},
	{"", []string{"-o", "Host x", "host"}}, {"", []string{"-o", "Match all", "host"}}, {"", []string{"-o", "Include x", "host"}}, {"", []string{"-o", "Bogus=1", "host"}}, {"", []string{"-o", "", "host"}}, {"", []string{"-o", "# x", "host"}},
	{"Bogus 1", []string{"-o", "IgnoreUnknown=Bogus", "host"}}, {"User x", []string{"-o", "User=y", "host"}}, {"", []string{"-4", "host"}}, {"AddressFamily inet6", []string{"-4", "host"}}, {"", []string{"-46", "host"}}, {"", []string{"-4", "-o", "AddressFamily=inet6", "host"}},
	{"", []string{"-o", "AddressFamily=inet6", "-4", "host"}}, {"", []string{"-C", "host"}}, {"", []string{"-g", "host"}}, {"", []string{"-e", "none", "host"}}, {"", []string{"-e", "^B", "host"}}, {"", []string{"-e", "xy", "host"}}, {"", []string{"-W", "h:1", "host"}}, {"", []string{"-W", "h", "host"}}, {"", []string{"-N", "host"}}, {"SessionType default", []string{"-N", "host"}}, {"", []string{"-o", "SessionType=default", "-N", "host"}},
	{"", []string{"-n", "host"}}, {"", []string{"-T", "host"}}, {"", []string{"-NnT", "host"}}, {"", []string{"-q", "host"}}, {"LogLevel ERROR", []string{"-v", "host"}}, {"", []string{"-vv", "host"}}, {"", []string{"-vvvv", "host"}}, {"", []string{"-vqv", "host"}},
	{"", []string{"-o", "LogLevel=ERROR", "-v", "host"}}, {"", []string{"-b", "127.0.0.1", "host"}}, {"", []string{"-o", "BindAddress=x", "-b", "y", "host"}}, {"", []string{"-B", "lo", "host"}}, {"", []string{"-c", "aes128-ctr", "host"}},
	{"", []string{"-c", "+aes128-cbc", "host"}}, {"", []string{"-c", "-aes*", "host"}}, {"", []string{"-c", "bogus", "host"}}, {"Ciphers aes256-ctr", []string{"-c", "aes128-ctr", "host"}}, {"", []string{"-m", "hmac-sha1", "host"}}, {"", []string{"-m", "+hmac-md5", "host"}},
	{"", []string{"-i", "/no/such", "host"}}, {"IdentityFile x", []string{"-i", "/etc/passwd", "host"}}, {"", []string{"-i", "/etc/passwd", "-o", "IdentityFile=/etc/passwd", "host"}}, {"", []string{"-i", "~", "host"}}, {"", []string{"-i", "/etc/passwd", "-i", "/etc/passwd", "host"}},
	{"", []string{"-J", "gate", "host"}}, {"", []string{"-J", "a,b", "host"}}, {"ProxyJump x", []string{"-J", "gate", "host"}}, {"ProxyCommand x", []string{"-J", "gate", "host"}}, {"", []string{"-J", "a", "-J", "b", "host"}}, {"", []string{"-o", "ProxyCommand=x", "-J", "a", "host"}},
	{"", []string{"-J", "a", "-o", "ProxyCommand=x", "host"}}, {"ProxyJump x", []string{"-J", "none", "host"}}, {"", []string{"-J", "a;b", "host"}}, {"", []string{"-J", "$(x)", "host"}}, {"", []string{"-J", "host", "host"}}, {"", []string{"-o", "ProxyJump=u;@h", "host"}},
	{"", []string{"-L", "1:h:2", "host"}}, {"LocalForward 1 h:2", []string{"-L", "1:h:2", "host"}}, {"", []string{"-L", "1", "host"}}, {"", []string{"-R", "1:h:2", "host"}}, {"", []string{"-R", "1080", "host"}}, {"", []string{"-R", "0:h:2", "host"}}, {"", []string{"-R", "h:1080", "host"}},
	{"", []string{"-D", "1080", "host"}}, {"", []string{"-D", "x", "host"}}, {"ClearAllForwardings yes", []string{"-D", "1080", "host"}}, {"", []string{"-L", "/run/%h.sock:/run/%n", "host"}}, {"", []string{"-L", "${PORT}:h:${PORT}", "host"}}, {"", []string{"-L", "[::1]:1:[::2]:2", "host"}},
	{"Match user bob\nPort 1", []string{"bob@host"}}, {"Match exec \"test %r = bob\"\nPort 1", []string{"-l", "bob", "host"}}, {"", []string{"-A", "host"}}, {"", []string{"-X", "host"}}, {"", []string{"-f", "host"}}, {"", []string{"-fN", "host"}}, {"", []string{"-S", "none", "host"}}, {"", []string{"-M", "host"}},
}

// included are configurations of several files.
var included = []sample{
	{text: "Include DIR/inc0\nPort 2", files: map[string]string{"inc0": "Port 1"}},
	{text: "Host other\nInclude DIR/inc0\nHost host\nUser x", files: map[string]string{"inc0": "Port 1\nHost host\nPort 3"}},
	{text: "Include DIR/inc0\nUser after", files: map[string]string{"inc0": "Host other\nPort 1"}},
	{text: "Host host\nInclude DIR/inc0\nUser after", files: map[string]string{"inc0": "Match user bob\nPort 1\nMatch all\nPort 2"}},
	{text: "Include DIR/inc*", files: map[string]string{"inc1": "Port 1", "inc0": "Port 2", ".inc": "Port 3"}},
	{text: "Include DIR/inc[!0]", files: map[string]string{"inc1": "Port 1", "inc0": "Port 2"}},
	{text: "Include DIR/inc0 DIR/inc1", files: map[string]string{"inc1": "User x", "inc0": "Port 2"}},
	{text: "Include \"DIR/with blank\"", files: map[string]string{"with blank": "Port 2"}},
	{text: "Include DIR/nothing", files: nil},
	{text: "Include DIR/inc0", files: map[string]string{"inc0": "Bogus 1"}},
	{text: "Host other\nInclude DIR/inc0", files: map[string]string{"inc0": "Bogus 1"}},
	{text: "Host other\nInclude DIR/inc0", files: map[string]string{"inc0": "Match final\nPort 1"}},
	{text: "Host other\nInclude DIR/inc0", files: map[string]string{"inc0": "Match bogus x"}},
	{text: "Include DIR/config"},
	{text: "Include DIR/config DIR/config\nInclude DIR/config"},
	{text: "Include DIR/inc0", files: map[string]string{"inc0": "Include DIR/inc1", "inc1": "Include DIR/inc2", "inc2": "Host h*\nPort 7"}},
	{text: "Include DIR"},
	{text: "Include \"\""},
	{text: "Include"},
	{text: "Include DIR/inc0 # and\nPort 3", files: map[string]string{"inc0": "User x"}},
	{text: "Include ~/no-such-file-of-tunneld\nInclude no-such-file-of-tunneld"},
	{text: "Match final\nInclude DIR/inc0", files: map[string]string{"inc0": "Port 7\nIdentityFile a"}},
	{text: "IgnoreUnknown Foo\nInclude DIR/inc0", files: map[string]string{"inc0": "Foo 7"}},
}

// handWritten returns all of the above as samples with names.
func handWritten() []sample {
	var all []sample
	for topic, list := range texts {
		for i, text := range list {
			all = append(all, sample{name: fmt.Sprintf("%s/%d", topic, i), text: text})
		}
	}
	for keyword, list := range values {
		for i, value := range list {
			all = append(all, sample{name: fmt.Sprintf("%s/%d", keyword, i), text: "Host host\n  " + keyword + " " + value + "\n"})
		}
	}
	for _, keyword := range flagKeywords {
		for _, value := range []string{"yes", "NO", "true", "maybe", "", "yes no"} {
			all = append(all, sample{name: keyword + "/" + value, text: keyword + " " + value})
		}
	}
	for i, c := range commandLines {
		all = append(all, sample{name: fmt.Sprintf("command line/%d", i), text: c.text, args: c.args})
	}
	for i, s := range included {
		s.name = fmt.Sprintf("Include/%d", i)
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b sample) int { return strings.Compare(a.name, b.name) })
	return all
}
