package autossh

// Difference is a command line that does something else here than under autossh 1.4g.
type Difference struct {
	Name    string // short, for tests
	Example string // a command line
	Theirs  string // what autossh does with it
	Ours    string // what happens here, and why
}

// Differences lists all of them, for docs/autossh.md and for the tests that compare with autossh.
func Differences() []Difference {
	return []Difference{
		{
			"options in the command", "autossh -M 0 host ls -la",
			"moves the command's options before the destination: here it logs in as a, elsewhere it stops with its usage, prints its version or takes -M and -F for its own",
			"the command is run as it was typed, as ssh runs it",
		},
		{
			"f in the command", "autossh -M 0 host tail -f x",
			"takes the f out of the command and goes into the background",
			"the command is run as it was typed",
		},
		{
			"two dashes in the command", "autossh -M 0 host git log -- file",
			"takes the first -- away wherever it stands",
			"only one before the command is autossh's own",
		},
		{
			"jump", "autossh -M 0 -J jump -N host",
			"knows -J without an argument: it moves -N between the two, and does not know -Jjump",
			"-J is ssh's",
		},
		{
			"interface", "autossh -M 0 -B eth0 host",
			"does not know -B",
			"-B is ssh's",
		},
		{
			"tag", "autossh -M 0 -P tag host",
			"knows -P without an argument, as OpenSSH had it before 9.4, which ignored it",
			"-P is OpenSSH's of today, a tag for Match tagged; leave an old -P away",
		},
		{
			"clustered monitor", "autossh -fM 20000 host",
			"opens the monitor and passes -M 20000 on to ssh, too, which then goes to a host named 20000",
			"the same as -f -M 20000",
		},
		{
			"f in arguments", "autossh -M 0 -fL8808:foo:80 host",
			"takes every f out of a word that begins with a dash, up to an option that has an argument: the forward goes to oo",
			"arguments stay as they are",
		},
		{
			"f twice", "autossh -M 0 -ff host",
			"passes every other f on to ssh, which goes into the background itself, so that autossh ends",
			"the same as -f",
		},
		{
			"arguments like options", "autossh -M 0 -i -Mine host",
			"takes away an argument that begins with -M or --",
			"arguments stay as they are",
		},
		{
			"empty argument", "autossh -M 0 -l '' host",
			"drops every empty word: the next one becomes the argument",
			"empty words are dropped before the destination and before options; as arguments and in the command they stay",
		},
		{
			"ssh in the background", "autossh -M 0 -- -fN host",
			"drops the f without going into the background",
			"-f goes into the background wherever it stands",
		},
		{
			"version of ssh", "autossh -M 0 -- -V host",
			"has ssh print its version, and gives up",
			"prints the version: there is no ssh",
		},
		{
			"M in a name", "autossh -i key-M2.pem host",
			"Debian's wrapper sees -M2 in any word, chooses no port, and autossh stops with its usage",
			"only the option -M is one",
		},
		{
			"echo port", "autossh -M 20000:99999 host",
			"accepts any echo port but 0; ssh then refuses the forward at each start",
			"an echo port is 1 to 65535, and all else is refused at once in autossh's words",
		},
		{
			"not a session", "autossh -M 0 -G host",
			"starts ssh -G, -O or -Q, which print something and end, and gives up",
			"refused, with the command to type instead",
		},
		{
			"tun device", "autossh -M 0 -w 0:0 host",
			"passes -w on",
			"refused: tunneld has no tun devices; WireGuard or ssh -w do that",
		},
	}
}
