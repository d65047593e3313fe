package autossh

// RunningDifferences lists what a running autossh does otherwise than autossh 1.4g with ssh, and can be seen from outside.
func RunningDifferences() []Difference {
	return []Difference{
		{
			"signals in backoff", "kill -HUP while it waits",
			"dies of HUP, USR1 and USR2 in a wait before a start, and leaves its pid file",
			"HUP, USR1 and USR2 end the wait: it tries at once, as the manual page lets one expect",
		},
		{
			"monitor port taken at the server", "autossh -M 20000 -N host, where 20000 is taken there",
			"fails its test and restarts ssh, for ever",
			"the server chooses another port for the loop, and a line in the log says so",
		},
		{
			"monitor port taken here", "autossh -M 20000 -N host, where 20000 or 20001 is taken here",
			"gives up with 1 for 20001, after -f without a word; for 20000 restarts ssh for ever",
			"another free port is used for the loop, and a line in the log says which",
		},
		{
			"early words", "AUTOSSH_MAXLIFETIME=60 autossh -M 0 -N host",
			"what it finds before AUTOSSH_LOGFILE is open, such as a lowered poll time, goes to syslog",
			"everything stands in the log file",
		},
		{
			"refused before the background", "autossh -f -M 0 -N -o NoSuchOption=1 host",
			"goes to the background with 0, and then restarts ssh for ever",
			"what is wrong with arguments, environment and ssh_config is said, and the exit code is 1; -f gives 0 only when the ports are bound and the pid file is written",
		},
	}
}
