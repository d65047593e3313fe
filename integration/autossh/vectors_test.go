package autossh

// vectors are what people type, what scripts pass, and what autossh stumbles over.
var vectors = []vector{
	// The monitor.
	{"host", ""}, {"-M 0 host", ""}, {"-M0 host", ""}, {"-M PORT host", ""}, {"-MPORT host", ""}, {"-M PORT:7 host", ""}, {"-MPORT:7 host", ""},
	{"-M 0:7 host", ""}, {"-M 1 -M 0 host", ""}, {"-M 0 -M PORT host", ""}, {"host -M PORT", ""}, {"host -M PORT -N", ""}, {"-N -M PORT host", ""},
	{"AUTOSSH_PORT=PORT server", ""}, {"AUTOSSH_PORT=0 server", ""}, {"AUTOSSH_PORT= server", ""}, {"AUTOSSH_PORT=0 -M PORT server", ""},
	{"AUTOSSH_PORT=PORT -M 0 server", ""}, {"AUTOSSH_PORT=PORT:7 server", ""}, {"AUTOSSH_PORT=PORT -N -L 1:h:2 server", ""},
	{"AUTOSSH_PORT=PORT -f server", ""}, {"AUTOSSH_PORT=abc server", ""}, {"AUTOSSH_PORT=70000 server", ""},
	{"-M 00 host", ""}, {"-M 0x0 host", ""}, {"-M +0 host", ""}, {"-M ·0 host", ""},
	{"-M abc host", ""}, {"-M '' host", ""}, {"-M 0x host", ""}, {"-M 08 host", ""}, {"-M 1.5 host", ""}, {"-M 65535 host", ""}, {"-M 65536 host", ""},
	{"-M -1 host", ""}, {"-M 4294967296 host", ""}, {"-M 99999999999999999999 host", ""}, {"-M PORT: host", ""}, {"-M PORT:0 host", ""},
	{"-M PORT:x host", ""}, {"-M PORT:7:8 host", ""}, {"-M :7 host", ""}, {"-M PORT:99999 host", "echo port"}, {"-M PORT:-7 host", "echo port"}, {"-M PORT:0x7 host", ""}, {"-M=PORT host", ""},

	// The usage and the version.
	{"", ""}, {"-V", ""}, {"-M 0 -V", ""}, {"-NV", ""}, {"-V host", ""}, {"host -V", ""}, {"-V -Z", ""}, {"-Z -V", ""}, {"-M 0", ""}, {"-M", ""}, {"-f", ""},
	{"-N", ""}, {"-M 0 -N", ""}, {"-h", ""}, {"--help", ""}, {"--version", ""}, {"-M 0 --foo host", ""}, {"-M 0 -Z host", ""}, {"-M 0 -u host", ""},
	{"-M 0 -L", ""}, {"-M 0 host -L", ""}, {"-M 0 -NL", ""}, {"-M 0 -", ""}, {"-M 0 --", ""},

	// Into the background.
	{"-f -M 0 host", ""}, {"-M 0 -f host", ""}, {"-M 0 -fN host", ""}, {"-M 0 -Nf host", ""}, {"-M 0 -fNT host", ""}, {"-M 0 -NTf host", ""}, {"-M 0 -ff host", "f twice"},
	{"-M 0 -f -f host", ""}, {"-M 0 -fff host", "f twice"}, {"-fNL 8808:foo:80 -M 0 host", ""}, {"-M 0 -NfL 8808:foo:80 host", ""}, {"-M 0 -NfL8808:foo:80 host", "f in arguments"}, {"-M 0 -fL8808:foo:80 host", "f in arguments"},
	{"-M 0 -fNL8808:foo:80 host", ""}, {"-fM PORT host", "clustered monitor"}, {"-fMPORT host", "clustered monitor"}, {"-fM 0 host", "clustered monitor"}, {"-fM0 host", "clustered monitor"}, {"-NfM PORT host", "clustered monitor"}, {"-NM PORT host", "clustered monitor"}, {"-NfMPORT host", "clustered monitor"}, {"host -f -M 0", ""},
	{"-f -NT -M PORT -R 2200:localhost:22 user@host", ""}, {"-M 0 host -fN", ""}, {"-fMPORT:7 host", "clustered monitor"},

	// ssh's options, alone and together.
	{"-M 0 -N -L 1:h:2 -R 3:h:4 -D 5 host", ""}, {"-M 0 -NL1:h:2 -R3:h:4 -D5 host", ""}, {"-M 0 -p 22 -l me -i key host", ""}, {"-M 0 -p22 -lme -ikey host", ""},
	{"-M 0 -o ServerAliveInterval=60 -o ServerAliveCountMax=3 host", ""}, {"-M 0 -o ServerAliveInterval·60 host", ""}, {"-M 0 -oBatchMode=yes host", ""},
	{"-M 0 -q -v -vv -vvv host", ""}, {"-M 0 -C -g -k -a -A -x -n -T -t -tt host", ""}, {"-M 0 -CgkaAxnTt host", ""}, {"-M 0 -4 host", ""}, {"-M 0 -6 host", ""},
	{"-M 0 -46 host", ""}, {"-M 0 -1 host", ""}, {"-M 0 -2 host", ""}, {"-2 -fN -M PORT -R 2200:localhost:22 user@host", ""}, {"-M 0 -c aes128-ctr -m hmac-sha2-256 host", ""},
	{"-M 0 -b 127.0.0.1 host", ""}, {"-M 0 -B lo host", "interface"}, {"-M 0 -F none host", ""}, {"-M 0 -E log host", ""}, {"-M 0 -y host", ""}, {"-M 0 -e none host", ""}, {"-M 0 -e ^x host", ""},
	{"-M 0 -S none host", ""}, {"-M 0 -S /tmp/%C host", ""}, {"-M 0 -W h:80 host", ""}, {"-M 0 -s host sftp", ""}, {"-M 0 -J jump host", ""}, {"-M 0 -Jjump host", "jump"},
	{"-M 0 -J jump -N host", "jump"}, {"-M 0 -NJ jump host", ""}, {"-M 0 -K host", ""}, {"-M 0 -X host", ""}, {"-M 0 -Y host", ""}, {"-M 0 -I lib.so host", ""}, {"-M 0 -w 0:0 host", "tun device"}, {"-M 0 -P tag host", "tag"}, {"-M 0 -P host", "tag"},
	{"-M 0 -G host", "not a session"}, {"-M 0 -O check host", "not a session"}, {"-M 0 -Q cipher host", "not a session"}, {"-M 0 -i key-M2.pem host", ""}, {"-i key-M2.pem host", "M in a name"}, {"-i keyfM2.pem host", ""}, {"-o User=fM2 host", ""},
	{"-M 0 -o - host", ""}, {"-M 0 -o -- host", "arguments like options"}, {"-M 0 -o --foo host", "arguments like options"}, {"-M 0 -i -f host", "f in arguments"}, {"-M 0 -i -fkey host", "f in arguments"}, {"-M 0 -l -x host", ""}, {"-M 0 -i -MPORT host", "arguments like options"},

	// Behind the destination.
	{"-M 0 host -N", ""}, {"-M 0 host -N -L 1:h:2", ""}, {"-M 0 user@host -p 22 -v", ""}, {"-M 0 ssh://user@host:22 -N", ""}, {"-M 0 -v host -N -v", ""}, {"-M 0 -l a b@host -l c", ""},
	{"-M PORT -t host screen·-e^Zz·-D·-R", ""}, {"-M 0 host ls", ""}, {"-M 0 host ls x y", ""}, {"-M 0 -t host tmux attach", ""}, {"-M 0 -t host tmux·attach", ""},
	{"-M 0 host ls -la", "options in the command"}, {"-M 0 host tail -f x", "f in the command"}, {"-M 0 host tail·-f·x", ""}, {"-M 0 host tail -F x", "options in the command"}, {"-M 0 host sh -c true", "options in the command"}, {"-M 0 host ls -Z", "options in the command"}, {"-M 0 host ls --all", "options in the command"},
	{"-M 0 host grep -V", "options in the command"}, {"host ls -M 0", "options in the command"}, {"-M 0 host echo - x", ""}, {"-M 0 host echo '' x", "empty argument"}, {"-M 0 host git log -- file", "two dashes in the command"}, {"-M 0 host -N ls", ""}, {"-M 0 host -t tmux attach", ""},

	// Where options end.
	{"-M 0 -- host", ""}, {"-M 0 -N -- host", ""}, {"-- host", ""}, {"-M 0 -- host ls", ""}, {"-M 0 -- host -N", ""}, {"-M 0 -- -N host", ""}, {"-M 0 -- -M host", ""}, {"-M PORT -- -M -S sock host", ""}, {"-M 0 -- -MN host", ""},
	{"-M 0 -- -f host", "ssh in the background"}, {"-M 0 -f -- host", ""}, {"-M 0 -- -V host", "version of ssh"}, {"-M 0 -- -- host -N", ""}, {"-M 0 host -- ls", ""}, {"-M 0 host -- ls -la", ""}, {"-M 0 host -- -N", ""}, {"-M 0 host -- -N ls", ""}, {"-M 0 -- host ls -la", ""},
	{"-M 0 -- host tail -f x", "f in the command"}, {"-M 0 -- host git log -- file", ""}, {"-M 0 -- host -- ls", ""}, {"AUTOSSH_PORT=0 -- -M host", ""}, {"AUTOSSH_PORT=PORT -- host -N", ""}, {"-M 0 -- -J jump host", ""}, {"-M 0 -- -B lo host", ""}, {"-M 0 -- -fN host", "ssh in the background"},
	{"-M 0 '' host", ""}, {"'' -M 0 host", ""}, {"-M 0 host ''", ""}, {"-M 0 -l '' host", "empty argument"}, {"-M 0 -N '' '' host ls", ""},

	// What Debian's scripts pass: autossh-argv0, rscreen, rtmux and ruscreen.
	{"host ls x", ""}, {"-t host tmux·a·||·tmux·new", ""}, {"-t host screen·-Rd", ""}, {"-t host screen·-RdU", ""}, {"-t -M 0 -p 22 user@host screen·-Rd", ""}, {"-t user@host -p 22 tmux·a·||·tmux·new", ""},

	// Seed set-ups.
	{"-MPORT -q -N -D localhost:12348 sshproxy", ""}, {"-f -M 0 -N -g -o ServerAliveInterval·60 -i ~/.ssh/id_rsa -L 1:host:2 user@host", ""}, {"AUTOSSH_GATETIME=0 -M 0 -N host", ""},
	{"-M 0 -N -o ExitOnForwardFailure=yes -o ServerAliveInterval=30 -o ServerAliveCountMax=3 -R 8080:localhost:80 user@host", ""},

	// Variables.
	{"AUTOSSH_POLL=0 -M 0 host", ""}, {"AUTOSSH_POLL=x -M 0 host", ""}, {"AUTOSSH_POLL= -M 0 host", ""}, {"AUTOSSH_POLL=-5 -M 0 host", ""}, {"AUTOSSH_POLL=0x10 -M 0 host", ""}, {"AUTOSSH_POLL=10s -M 0 host", ""},
	{"AUTOSSH_POLL=4294967296 -M 0 host", ""}, {"AUTOSSH_FIRST_POLL=0 -M 0 host", ""}, {"AUTOSSH_FIRST_POLL=-1 -M 0 host", ""}, {"AUTOSSH_FIRST_POLL=5x -M 0 host", ""},
	{"AUTOSSH_GATETIME=-1 -M 0 host", ""}, {"AUTOSSH_GATETIME=x -M 0 host", ""}, {"AUTOSSH_GATETIME= -M 0 host", ""}, {"AUTOSSH_GATETIME=99999999999999999999 -M 0 host", ""}, {"AUTOSSH_GATETIME=·5 -M 0 host", ""}, {"AUTOSSH_GATETIME=5· -M 0 host", ""},
	{"AUTOSSH_MAXSTART=-1 -M 0 host", ""}, {"AUTOSSH_MAXSTART=-2 -M 0 host", ""}, {"AUTOSSH_MAXSTART=x -M 0 host", ""}, {"AUTOSSH_MAXSTART=010 -M 0 host", ""}, {"AUTOSSH_MAXSTART=4294967295 -M 0 host", ""},
	{"AUTOSSH_MAXLIFETIME=x -M 0 host", ""}, {"AUTOSSH_MAXLIFETIME= -M 0 host", ""}, {"AUTOSSH_MAXLIFETIME=-5 -M 0 host", ""}, {"AUTOSSH_MAXLIFETIME=0 -M 0 host", ""}, {"AUTOSSH_MAXLIFETIME=5 -M 0 host", ""},
	{"AUTOSSH_LOGLEVEL=8 -M 0 host", ""}, {"AUTOSSH_LOGLEVEL=-1 -M 0 host", ""}, {"AUTOSSH_LOGLEVEL=abc -M 0 host", ""}, {"AUTOSSH_LOGLEVEL= -M 0 host", ""}, {"AUTOSSH_LOGLEVEL=7 -M 0 host", ""}, {"AUTOSSH_LOGLEVEL=0x7 -M 0 host", ""},
	{"AUTOSSH_DEBUG= AUTOSSH_LOGLEVEL=abc -M 0 host", ""}, {"AUTOSSH_DEBUG=1 -M 0 host", ""}, {"AUTOSSH_MESSAGE=hello -M 0 host", ""},
	{"AUTOSSH_MESSAGE=0123456789012345678901234567890123456789012345678901234567890123 -M 0 host", ""}, {"AUTOSSH_MESSAGE=01234567890123456789012345678901234567890123456789012345678901234 -M 0 host", ""},
	{"AUTOSSH_POLL=0 -V", ""}, {"AUTOSSH_POLL=0", ""}, {"AUTOSSH_NTSERVICE=yes -M 0 host", ""},
}
