package autossh

const forward = "-L·{L}:127.0.0.1:{ECHO}"

// scenes are what is compared between the real autossh, with the real ssh, and tunneld.
var scenes = []scene{
	// What does not start.
	{"", "end", ""}, {"-V", "end", ""}, {"-M 0", "end", ""}, {"-h", "end", ""}, {"-M", "end", ""}, {"-M x server", "end", ""}, {"-M 70000 server", "end", ""},
	{"-M 65535 server", "end", ""}, {"-M 20000:0 server", "end", ""}, {"-M 20000: server", "end", ""}, {"-M 0 -L", "end", ""}, {"-M 0 --help", "end", ""},
	{"AUTOSSH_POLL=0 -M 0 server", "end", ""}, {"AUTOSSH_POLL=x -M 0 server", "end", ""}, {"AUTOSSH_FIRST_POLL=0 -M 0 server", "end", ""},
	{"AUTOSSH_GATETIME=-1 -M 0 server", "end", ""}, {"AUTOSSH_GATETIME=x -M 0 server", "end", ""}, {"AUTOSSH_MAXSTART=-2 -M 0 server", "end", ""},
	{"AUTOSSH_MAXSTART=x -M 0 server", "end", ""}, {"AUTOSSH_MAXLIFETIME=x -M 0 server", "end", ""}, {"AUTOSSH_LOGLEVEL=8 -M 0 server", "end", ""},
	{"AUTOSSH_LOGLEVEL= -M 0 server", "end", ""}, {"AUTOSSH_LOGLEVEL=x -M 0 server", "end", ""}, {"AUTOSSH_PORT=x server", "end", ""},
	{"AUTOSSH_MESSAGE=12345678901234567890123456789012345678901234567890123456789012345 -M 0 server", "end", ""},
	{"AUTOSSH_LOGFILE=/nonexistent/log -M 0 server", "end", ""}, {"AUTOSSH_PIDFILE=/nonexistent/pid -M 0 server", "end", ""},
	{"AUTOSSH_MAXSTART=0 -M 0 -N server", "end", ""}, {"AUTOSSH_DEBUG= -V", "end", ""}, {"AUTOSSH_POLL=x -V", "end", ""},

	// Nobody answers: the gate, the free restarts, the waits, the limits.
	{"-M 0 -N dead", "end", ""}, {"AUTOSSH_GATETIME=30 -M 0 -N dead", "end", ""}, {"AUTOSSH_GATETIME=0 -M 0 -N dead", "exits=6 settle", ""},
	{"AUTOSSH_GATETIME=0 -M 0 -N dead", "exits=7 TERM end", ""}, {"AUTOSSH_GATETIME=0 -M 0 -N dead", "exits=7 settle TERM end", ""},
	{"AUTOSSH_GATETIME=0 -M 0 -N dead", "exits=7 settle INT end", ""},
	{"AUTOSSH_GATETIME=0 AUTOSSH_MAXSTART=1 -M 0 -N dead", "end", ""}, {"AUTOSSH_GATETIME=0 AUTOSSH_MAXSTART=2 -M 0 -N dead", "end", ""},
	{"AUTOSSH_GATETIME=0 AUTOSSH_MAXSTART=5 -M 0 -N dead", "end", ""}, {"AUTOSSH_GATETIME=0 AUTOSSH_MAXSTART=0x3 -M 0 -N dead", "end", ""},
	{"AUTOSSH_GATETIME=0 AUTOSSH_MAXSTART=7 AUTOSSH_POLL=1000 -M 0 -N dead", "end", ""}, {"AUTOSSH_MAXSTART=3 -M 0 -N dead", "end", ""},
	{"AUTOSSH_GATETIME=0 AUTOSSH_MAXSTART=8 AUTOSSH_POLL=100 -M 0 -N dead", "end", ""}, {"AUTOSSH_GATETIME=0 AUTOSSH_MAXSTART=12 AUTOSSH_POLL=10 -M 0 -N dead", "end", ""},
	{"AUTOSSH_GATETIME=0 AUTOSSH_MAXSTART=3 AUTOSSH_LOGLEVEL=3 -M 0 -N dead", "end", ""}, {"AUTOSSH_GATETIME=0 AUTOSSH_MAXSTART=3 AUTOSSH_LOGLEVEL=7 -M 0 -N dead", "end", ""},
	{"AUTOSSH_GATETIME=0 AUTOSSH_MAXSTART=3 AUTOSSH_DEBUG=1 -M 0 -N dead", "end", ""}, {"AUTOSSH_GATETIME=0 AUTOSSH_MAXSTART=2 -M 0 -q -N dead", "end", ""},
	{"AUTOSSH_GATETIME=0 AUTOSSH_MAXSTART=2 -M 0 -N -E {DIR}/ssh.log dead", "end", ""}, {"AUTOSSH_GATETIME=0 AUTOSSH_MAXSTART=2 -M {P} -N dead", "end", ""},
	{"AUTOSSH_GATETIME=0 AUTOSSH_MAXSTART=2 AUTOSSH_POLL=20 -M {P}:{ECHO} -N dead", "end", ""}, {"AUTOSSH_GATETIME=0 AUTOSSH_MAXSTART=2 -M 0 dead true", "end", ""},
	{"AUTOSSH_GATETIME=0 -M 0 -N dead", "exits=7 settle HUP settle", "exit=signals in backoff; starts=signals in backoff; log=signals in backoff"},
	{"AUTOSSH_GATETIME=0 -M 0 -N dead", "exits=7 settle USR1 settle", "exit=signals in backoff; starts=signals in backoff; log=signals in backoff"},
	{"-M 0 -N nowhere", "end", ""}, {"AUTOSSH_GATETIME=0 AUTOSSH_MAXSTART=2 -M 0 -N nowhere", "end", ""},

	// Somebody answers the telephone and says nothing: an attempt hangs.
	{"-M 0 -N -o ConnectTimeout=1 mute", "end", ""}, {"AUTOSSH_GATETIME=0 AUTOSSH_MAXSTART=2 -M 0 -N -o ConnectTimeout=1 mute", "end", ""},
	{"AUTOSSH_GATETIME=1 -M 0 -N -o ConnectTimeout=3 mute", "starts=2 settle", ""}, {"-M 0 -N mute", "starts=1 settle TERM end", ""}, {"-M 0 -N mute", "starts=1 settle INT end", ""},
	{"-M 0 -N mute", "starts=1 settle HUP settle", ""}, {"-M 0 -N mute", "starts=1 settle USR1 starts=2 settle", ""}, {"-M 0 mute echo hi", "starts=1 settle TERM end", ""},
	{"AUTOSSH_MAXLIFETIME=2 AUTOSSH_POLL=1 -M 0 -N mute", "end", ""}, {"-f -M 0 -N mute", "end settle TERM gone", ""},
	{"AUTOSSH_POLL=2 -M {P} -N mute", "settle settle settle settle settle settle TERM end", "starts=attempts; log=attempts"},

	// The server does not let us in.
	{"-M 0 -N -o UserKnownHostsFile=/dev/null server", "end", ""}, {"AUTOSSH_GATETIME=0 AUTOSSH_MAXSTART=2 -M 0 -N -o UserKnownHostsFile=/dev/null server", "end", ""},
	{"-M 0 -N -o PubkeyAuthentication=no server", "end", ""}, {"AUTOSSH_GATETIME=0 AUTOSSH_MAXSTART=3 -M 0 -N -o PubkeyAuthentication=no server", "end", ""},

	// Forwards, as people spell them.
	{"-M 0 -1 -N " + forward + " server", "settle settle settle", "exit=version 1; log=version 1; listens=version 1"},
	{"-M 0 -N " + forward + " server", "up settle TERM end", ""}, {"-M0 -N " + forward + " server", "up settle INT end", ""},
	{"-M 0 -NT " + forward + " server", "up settle", ""}, {"-M 0 server -N " + forward, "up settle", ""}, {"-N -M 0 " + forward + " server", "up settle", ""},
	{"-M 0 -NL {L}:127.0.0.1:{ECHO} server", "up settle", ""}, {"-M 0 -2 -N " + forward + " server", "up settle", ""}, {"-M 0 -4 -C -N " + forward + " server", "up settle", ""},
	{"-M 0 -N -g " + forward + " server", "up settle", ""}, {"-M 0 -nNT " + forward + " server", "up settle", ""}, {"-M 0 -N -v " + forward + " server", "up settle", ""},
	{"-M 0 -N -A " + forward + " server", "up settle", ""}, {"-M 0 -N " + forward + " -L {M}:127.0.0.1:{ECHO} server", "up settle", ""},
	{"-M 0 -N " + forward + " -D {D} server", "up settle", ""}, {"-M 0 -N " + forward + " -R {R}:127.0.0.1:{ECHO} server", "up settle settle", ""},
	{"-M 0 -N " + forward + " -D {D} -R {R}:127.0.0.1:{ECHO} -L {M}:127.0.0.1:{ECHO} server", "up settle settle", ""},
	{"-M 0 -q -N " + forward + " -D localhost:{D} server", "up settle", ""}, {"-M 0 -N -o ServerAliveInterval·60 -o ServerAliveCountMax=3 " + forward + " server", "up settle", ""},
	{"AUTOSSH_PORT=0 -N " + forward + " server", "up settle", ""}, {"AUTOSSH_PORT={P} -M 0 -N " + forward + " server", "up settle", ""},
	{"-M 0 -N -o ExitOnForwardFailure=yes " + forward + " server", "up settle TERM end", ""}, {"-M 0 -- -N " + forward + " server", "up settle", ""},
	{"-M 0 -N -e none " + forward + " server", "up settle", ""}, {"-M 0 -N -S none " + forward + " server", "up settle", ""}, {"-M 0 -N -y " + forward + " server", "up settle", ""},
	{"-M 0 -N " + forward + " server", "up QUIT end", "exit=quit; listens=quit; log=quit"}, {"-M 0 -N " + forward + " server", "up ABRT end", "listens=quit"},
	{"-M 0 -N -l root -p {SSHD} -o Hostname=127.0.0.1 " + forward + " server", "up settle", ""}, {"-M 0 -N -X " + forward + " server", "up settle", ""},

	// Ports that are taken, and refused.
	{"-M 0 -N " + forward + " -L {TAKEN}:127.0.0.1:{ECHO} server", "up settle", ""},
	{"-M 0 -N -o ExitOnForwardFailure=yes " + forward + " -L {TAKEN}:127.0.0.1:{ECHO} server", "end", ""},
	{"AUTOSSH_GATETIME=0 AUTOSSH_MAXSTART=2 -M 0 -N -o ExitOnForwardFailure=yes " + forward + " -L {TAKEN}:127.0.0.1:{ECHO} server", "end", ""},
	{"-M 0 -N -L {TAKEN}:127.0.0.1:{ECHO} server", "says=forwarding. settle", ""}, {"-M 0 -N " + forward + " -R {TAKEN}:127.0.0.1:{ECHO} server", "up settle settle", ""},
	{"-M 0 -N -o ExitOnForwardFailure=yes " + forward + " -R {TAKEN}:127.0.0.1:{ECHO} server", "end", ""},
	{"AUTOSSH_GATETIME=0 AUTOSSH_MAXSTART=2 -M 0 -N -o ExitOnForwardFailure=yes " + forward + " -R {TAKEN}:127.0.0.1:{ECHO} server", "end", ""},

	// The connection breaks, signals come.
	{"AUTOSSH_GATETIME=0 -M 0 -N " + forward + " server", "up cut again settle", ""}, {"-M 0 -N " + forward + " server", "up cut end", ""},
	{"AUTOSSH_GATETIME=1 -M 0 -N " + forward + " server", "up settle settle cut again settle", ""},
	{"AUTOSSH_GATETIME=0 AUTOSSH_MAXSTART=2 -M 0 -N " + forward + " server", "up cut again cut end", ""},
	{"-M 0 -N " + forward + " server", "up USR1 starts=2 again settle", ""}, {"-M 0 -N " + forward + " server", "up USR1 starts=2 again USR1 starts=3 again TERM end", ""},
	{"-M 0 -N " + forward + " server", "up HUP settle", ""}, {"-M 0 -N " + forward + " server", "up USR2 settle", ""},
	{"AUTOSSH_MAXSTART=1 -M 0 -N " + forward + " server", "up USR1 end", ""}, {"AUTOSSH_MAXSTART=2 -M 0 -N " + forward + " server", "up USR1 again USR1 end", ""},

	// The monitor.
	{"AUTOSSH_POLL=4 -M {P}:{ECHO} -N " + forward + " server", "up settle", ""}, {"AUTOSSH_POLL=3 -M {P}:{ECHO} -N " + forward + " server", "up settle settle settle settle settle settle settle", ""},
	{"AUTOSSH_POLL=3 AUTOSSH_MAXSTART=2 -M {P}:{DEAD} -N " + forward + " server", "up end", ""}, {"AUTOSSH_POLL=2 AUTOSSH_MAXSTART=2 -M {P}:{MUTE} -N " + forward + " server", "up end", ""},
	{"AUTOSSH_POLL=60 AUTOSSH_FIRST_POLL=4 AUTOSSH_MAXSTART=2 -M {P}:{DEAD} -N " + forward + " server", "starts=2 end", ""},
	{"AUTOSSH_PORT={P}:{ECHO} -N " + forward + " server", "up settle", ""}, {"AUTOSSH_PORT={P} -N " + forward + " server", "up settle", ""},
	{"-M {P} -N " + forward + " server", "up settle", ""}, {"-NfM {P}:{ECHO} " + forward + " server", "up settle", "exit=clustered monitor; listens=clustered monitor"},
	{"AUTOSSH_POLL=2 -M {P} -N " + forward + " server", "up settle settle settle settle settle", "starts=monitor port taken at the server; log=monitor port taken at the server; listens?=monitor port taken at the server"},
	{"-M {BEFORE} -N " + forward + " server", "settle settle settle", "exit=monitor port taken here; starts=monitor port taken here; log=monitor port taken here; listens=monitor port taken here; ssh=monitor port taken here"},

	// Life is short.
	{"AUTOSSH_MAXLIFETIME=2 -M 0 -N " + forward + " server", "up end", "log=early words"}, {"AUTOSSH_MAXLIFETIME=2 AUTOSSH_POLL=1 -M 0 -N " + forward + " server", "up end", ""},
	{"AUTOSSH_MAXLIFETIME=2 AUTOSSH_POLL=1 -M 0 server sleep·30", "end", ""},

	// Into the background.
	{"-f -M 0 -N " + forward + " server", "end up settle TERM gone", ""}, {"-fN -M 0 " + forward + " server", "end up settle", ""}, {"-M 0 -fNL {L}:127.0.0.1:{ECHO} server", "end up settle", ""},
	{"-f -M 0 -N -D {D} " + forward + " server", "end up settle USR1 starts=2 again settle", ""}, {"-f -M 0 -N " + forward + " server", "end up cut again settle", ""},
	{"AUTOSSH_GATETIME=30 -f -M 0 -N dead", "end exits=6 settle", ""}, {"-f -M 0 -N -o NoSuchOption=1 server", "end settle", "exit=refused before the background; starts=refused before the background; log=refused before the background"},

	// Sessions.
	{"-M 0 server echo hi", "end", ""}, {"AUTOSSH_GATETIME=0 -M 0 server echo hi", "end", ""}, {"AUTOSSH_GATETIME=0 -M 0 server exit 1", "exits=6 settle", ""},
	{"-M 0 server exit 1", "end", ""}, {"-M 0 server exit 2", "end", ""}, {"-M 0 server exit 3", "end", ""}, {"AUTOSSH_GATETIME=0 -M 0 server exit 3", "end", ""},
	{"AUTOSSH_GATETIME=0 AUTOSSH_MAXSTART=2 -M 0 server exit 2", "end", ""}, {"AUTOSSH_GATETIME=0 AUTOSSH_MAXSTART=2 -M 0 server exit 255", "end", ""},
	{"AUTOSSH_GATETIME=0 AUTOSSH_MAXSTART=2 -M 0 server kill·-9·$$", "end", ""}, {"AUTOSSH_GATETIME=0 -M 0 -t server echo hi", "end", ""},
	{"AUTOSSH_GATETIME=0 -M 0 -T server cat", "end", ""}, {"AUTOSSH_GATETIME=0 -M 0 -W 127.0.0.1:{ECHO} server", "end", ""},
	{"AUTOSSH_GATETIME=0 -M 0 -T server cat <hello", "end", ""}, {"AUTOSSH_GATETIME=0 -M 0 -n server cat <hello", "end", ""}, {"AUTOSSH_GATETIME=0 -M 0 -W 127.0.0.1:{ECHO} server <hello", "end", ""},
	{"AUTOSSH_GATETIME=0 -M 0 -T server <echo·from·a·shell", "end", ""},
	{"AUTOSSH_GATETIME=0 -M 0 -o RemoteCommand=echo·there server", "end", ""}, {"AUTOSSH_GATETIME=0 -M 0 " + forward + " server sleep 30", "up settle TERM end", ""},
}
