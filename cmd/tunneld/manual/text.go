package manual

// What the manual page says beyond the help of the commands.

const description = `tunneld opens the LocalForward, RemoteForward and DynamicForward of an ssh_config(5) alias in process, without ssh(1), and
keeps them open. Local ports are bound once and stay: a client that connects during an outage waits for the tunnel.`

const settings = `These stand in ssh_config like all others, behind one line "IgnoreUnknown Tunneld*" for the sake of ssh, or are given
with -o. Where no file sets ServerAliveInterval, it is 15 seconds, and three of them may stay unanswered.`

const keywordsHonoured = `Host, Match and Include, which decide what holds, and these are honoured as ssh_config(5) has them; "tunneld explain ALIAS" says
where each value comes from.`

const keywordsWithout = `These are read and have no effect, or another one. A keyword that nobody knows ends the command, as it ends ssh, unless
IgnoreUnknown names it.`

var sections = []struct {
	title   string
	entries [][2]string
}{
	{"EXAMPLES", [][2]string{
		{"tunneld up db", "Opens the forwards of the alias db of ~/.ssh/config and keeps them open."},
		{"tunneld up bob@host -D 1080", "A SOCKS proxy through host, without an entry in a file."},
		{"tunneld up 'sshproxy-*'", "All aliases that match, in one process."},
		{"tunneld up -f db", "In the background, once the local ports are bound."},
		{"tunneld up -J bastion bob@inner -L 5432:db:5432", "Through a jump host, to a port behind the last server."},
		{"tunneld check db", "Says where it fails, and what to do."},
		{"tunneld status db", "How it is, since when and why."},
		{"tunneld forward db -R 0:localhost:80", "Adds a forward to the running tunnel and prints the port that the server chose."},
		{"ProxyCommand tunneld connect db %h %p", "In ssh_config: takes ssh to a host behind the tunnel, and through its outages."},
		{"tunneld reload db", "Reads the changed configuration, and says what it has changed."},
		{"source <(tunneld completion bash)", "Completes aliases, running tunnels, keywords and their values."},
	}},
	{"EXIT STATUS", [][2]string{
		{"0", "Asked to stop; check, health: all is well."},
		{"1", "Gave up, or not healthy."},
		{"2", "Usage, configuration, or a local port that cannot be had."},
		{"3", "Refused by the server for good: host key, authentication, no common algorithm."},
	}},
	{"SECRETS IN FILES", [][2]string{
		{"Passphrases", "The first line of TunneldPassphraseFile, or of the systemd credential passphrase.ALIAS or passphrase, opens encrypted keys. " +
			"It is never sent to a server."},
		{"Passwords", "The first line of TunneldPasswordFile is sent to the host that it is set for, which for a jump host is its own Host block. It " +
			"answers password, or keyboard-interactive where the server takes no plain passwords and asks a single hidden question; once in an " +
			"attempt, and only where the host key is known. The systemd credential password.ALIAS is for the host that is called ALIAS on the " +
			"command line or in ProxyJump; password is for the destination, where the process has one alias."},
	}},
	{"SIGNALS", [][2]string{
		{"SIGTERM, SIGINT", "Stop: no new connections, open ones may go on for TunneldDrain. Another one ends it at once, such as a second Ctrl-C. A " +
			"SIGTERM within a second of the first signal, or a SIGINT within a quarter of one, is taken for the first: timeout(1) sends each twice."},
		{"SIGHUP", "Read the configuration anew and change only what differs. Where it comes because the terminal was closed, it stops the " +
			"tunnels, as it ends ssh; not after -f, nohup(1) or setsid(1), nor under systemd."},
		{"SIGUSR1", "Replace the SSH connections, the new ones first."},
		{"SIGQUIT", "End at once with one line; where the log shows debug, with all goroutines before it."},
	}},
	{"ENVIRONMENT", [][2]string{
		{"TUNNELD_RUNTIME_DIR", "The directory of control sockets, before $RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR/tunneld, /run/tunneld (root) " +
			"and /tmp/tunneld-UID."},
		{"HOME, USER", "Home and name of a user whom the password database does not know, as in a container; without HOME it is /."},
		{"SHELL", "Runs ProxyCommand and Match exec; without it /bin/sh does."},
		{"SSH_AUTH_SOCK, SSH_ASKPASS, SSH_ASKPASS_REQUIRE, SSH_SK_HELPER", "As ssh(1) has them."},
		{"NOTIFY_SOCKET, WATCHDOG_USEC, LISTEN_FDS, CREDENTIALS_DIRECTORY", "As systemd.exec(5) has them."},
	}},
	{"FILES", [][2]string{
		{"~/.ssh/config, /etc/ssh/ssh_config", "Aliases and their options."},
		{"~/.ssh/known_hosts, /etc/ssh/ssh_known_hosts", "Host keys."},
		{"~/.ssh/id_ed25519 and others", "Keys. One that belongs to the user may be readable to nobody else; one that belongs to " +
			"somebody else, such as a mounted one of root, may be readable to the user's group."},
		{"$XDG_RUNTIME_DIR/tunneld/NAME.sock", "The control socket of a process, which status and all others find it by. Its mode is 0600."},
		{"/usr/lib/systemd/system/tunneld@.service", "The unit: systemctl enable --now tunneld@ALIAS."},
		{"/var/lib/tunneld/.ssh", "The ~/.ssh of the unit's user. What root puts there is given to that user at the next start."},
		{"/etc/credstore/tunneld.ALIAS, /etc/credstore/tunneld-password.ALIAS", "The passphrase of the key, and the password, for the unit of ALIAS."},
	}},
}
