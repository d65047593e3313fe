package autossh

// RunningDifferences lists what a running autossh does otherwise than autossh 1.4g with ssh.
func RunningDifferences() []Difference {
	return []Difference{
		{
			"signals in backoff", "kill -HUP while it waits",
			"dies of HUP, USR1 and USR2 in a wait before a start, and leaves its pid file",
			"HUP, USR1 and USR2 end the wait: it tries at once, as the manual page lets one expect",
		},
		{
			"edited forwards", "autossh -M 0 -N host, whose LocalForward in ssh_config is changed meanwhile",
			"the next ssh that it starts has the forwards of now, as all else",
			"how the server is reached and logged in to counts from the next connection, as there; forwards are those of the start",
		},
		{
			"quit", "kill -QUIT",
			"dies, and leaves ssh, its forwards, its pid file and a terminal in raw mode",
			"ends at once in good order; SIGABRT shows what each goroutine does, on a terminal that has been restored",
		},
		{
			"closed terminal", "autossh -t host tmux attach, whose window is closed",
			"goes on: the session lives, or is run again without a terminal",
			"ends with the terminal: nobody could use the session; forwards alone (-N) live on, as there",
		},
		{
			"monitor port taken at the server", "autossh -M 20000 -N host, where 20000 is taken there",
			"fails its test and restarts ssh, for ever",
			"the server chooses another port for the loop, and a line in the log says so; it is asked for 20000 again, less and less often, until that is free",
		},
		{
			"monitor port taken here", "autossh -M 20000 -N host, where 20000 or 20001 is taken here",
			"gives up with 1 for 20001, after -f without a word; for 20000 restarts ssh for ever",
			"another free port is used for the loop, and a line in the log says which",
		},
		{
			"no loop", "autossh -M 20000 -N host, where the server lets no port listen (AllowTcpForwarding local)",
			"fails its test and restarts ssh, for ever",
			"a line in the log says so, and keepalives alone watch the connection",
		},
		{
			"early words", "AUTOSSH_MAXLIFETIME=60 autossh -M 0 -N host",
			"what it finds before AUTOSSH_LOGFILE is open, such as a lowered poll time, goes to syslog",
			"everything stands in the log file",
		},
		{
			"refused before the background", "autossh -f -M 0 -N -o NoSuchOption=1 host",
			"goes to the background with 0, and then restarts ssh for ever",
			"what is wrong with arguments, environment and ssh_config is said, and a passphrase asked for, and if that is of no use the exit code is 1; -f gives 0 only when the local ports have been asked for and the pid file is written; one that is taken is asked for on and on",
		},
		{
			"name server", "autossh -f -M 0 -N host with CanonicalizeHostname, while no name server answers",
			"goes to the background at once",
			"-f waits up to 10 s for the name, says so, and then goes on waiting in the background; a passphrase is not asked for any more",
		},
		{
			"floods", "AUTOSSH_POLL=5 autossh -M 0 -N host, where the server hangs up at once, for months",
			"logs every start, for ever",
			"after a megabyte some lines are left out and summed up by what they say, such that a year is less than 2 GB; how it ends is always said",
		},
		{
			"refusals", "AUTOSSH_POLL=0 autossh -M 0 host",
			"refuses without a word on the terminal; the reason is in syslog alone",
			"the reason is printed on standard error as well",
		},
		{
			"child", "ssh child pid is 4711",
			"the number of the ssh that it started",
			"its own: there is no ssh",
		},
		{
			"no syslog", "autossh in a container without /dev/log",
			"says nothing",
			"what would go to syslog goes to standard error",
		},
		{
			"words of ssh", "AUTOSSH_LOGFILE=log autossh -f -M 0 -N host",
			"what ssh says goes to /dev/null with -f",
			"it stands in autossh's log as well, and is followed by what to do",
		},
		{
			"ssh -v", "autossh -M 0 -v -N host",
			"has all that ssh says of its steps",
			"has the lines that people look for, such as `Authenticated to`, `remote forward success for` and `Allocated port`, among tunneld's own",
		},
		{
			"agent of rscreen", "rscreen host without SSH_AUTH_SOCK",
			"Debian's rscreen, ruscreen and rtmux start an agent that stays, and ask for the passphrases of all default keys",
			"no agent: the passphrase of the key that is needed is asked for once",
		},
		{
			"control path", "autossh -M 0 -S path -N host, where another ssh is the ControlMaster at path",
			"ssh rides on the other's connection, and ends with it",
			"a connection of its own, which is watched; with -o ControlMaster=auto as well it is the master where there is none",
		},
		{
			"version 1", "autossh -M 0 -1 -N host",
			"ssh knows version 1 of the protocol no more, and ends at once",
			"version 2 is used, and a line on standard error says so",
		},
		{
			"local ports", "psql -p 5432 while the connection is down",
			"ssh is gone, and the port refuses",
			"the port stays bound and the client waits for TunneldHold, 30s; `-o TunneldHold=0` refuses",
		},
		{
			"dead link", "autossh -M 0 -N host without ServerAliveInterval",
			"never notices a dead link",
			"asks the server every 15 s, three times, as `tunneld up` does; ServerAliveInterval changes it",
		},
		{
			"attempts", "a test of the loop while ssh still connects",
			"counts as failed, and ssh is killed",
			"an attempt has its own limit (ConnectTimeout), and tests begin when it has succeeded",
		},
		{
			"starts", "AUTOSSH_MAXSTART=5 autossh -M 0 -N host, while the network comes and goes",
			"has no start but those of its rules",
			"may start early because the network has changed or somebody asked for it; such a start takes none of the five",
		},
		{
			"gateway ports", "autossh -g -M 20000 -N host",
			"opens the monitor port to everybody",
			"the monitor ports are on the loopback alone",
		},
	}
}
