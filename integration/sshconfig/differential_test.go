package sshconfig

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/integration/lab"
)

// sample is one configuration and the command line that it is read with.
type sample struct {
	name  string
	text  string            // of the file that -F names
	files map[string]string // others, by name below the directory; "DIR" in a text is that directory
	args  []string          // of ssh, without -F; empty: the destination "host"
}

// release is an ssh whose -G is an oracle. Other releases have other rules and defaults.
type release struct {
	program, version string
	same             func(theirs, ours string) bool // an exception for a line that both print; nil: there is none
	only             func(keyword string) bool      // keywords that are not compared
}

// newest has the rules and defaults that tunneld has. oldest is the distribution's, whose files people bring: what it takes, tunneld
// takes.
var (
	newest = release{
		program: "ssh-newest", version: "OpenSSH_10.6p1",
		only: func(keyword string) bool { return strings.HasPrefix(keyword, "gssapi") }, // Debian builds it without
	}
	oldest = release{
		program: "ssh", version: "OpenSSH_9.2p1 Debian",
		only: func(keyword string) bool { return slices.Contains(otherDefaults, keyword) },
		same: func(theirs, ours string) bool {
			return theirs == "tcpkeepalive yes" && ours == "tcpkeepalive true" || theirs == "tcpkeepalive no" && ours == "tcpkeepalive false" ||
				theirs == "revokedhostkeys none" || strings.EqualFold(theirs, ours)
		},
	}
)

// otherDefaults are the keywords whose defaults, or whose form, have changed since OpenSSH 9.2, and those that it has not.
var otherDefaults = []string{
	"ciphers", "kexalgorithms", "hostkeyalgorithms", "hostbasedacceptedalgorithms", "pubkeyacceptedalgorithms", "casignaturealgorithms",
	"identityfile", "ipqos", "revokedhostkeys", "setenv", "controlpath", "userknownhostsfile", "identityagent", "remotecommand", "forwardagent", // %C
	"warnweakcrypto", "obscurekeystroketiming", "channeltimeout", "tag", "versionaddendum", "refuseconnection",
}

// oracle runs `ssh -G` and config.Resolve on the same files and compares them.
type oracle struct {
	release
	dir         string
	environment config.Environment
	accepted    int // how many samples both took
}

func newOracle(t testing.TB, r release, dir string) *oracle {
	t.Helper()
	environment, err := config.CurrentEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"HOME": environment.Home, "SHELL": "/bin/sh", "SET": "value", "EMPTY": "", "SOCKET": "/run/agent.sock", "PORT": "8443",
		"SSH_AUTH_SOCK": "/run/ssh-agent.sock",
	} {
		if err := os.Setenv(name, value); err != nil {
			t.Fatal(err)
		}
	}
	return &oracle{release: r, dir: dir, environment: environment}
}

// write puts the files of a sample in place and returns the path of the main one.
func (o *oracle) write(t testing.TB, s sample) string {
	t.Helper()
	if err := os.RemoveAll(o.dir); err != nil { // what an earlier sample left
		t.Fatal(err)
	}
	for name, text := range s.files {
		o.put(t, name, text)
	}
	return o.put(t, "config", s.text)
}

// put writes one file below the directory and returns its path.
func (o *oracle) put(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(o.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	lab.WriteFile(t, path, strings.ReplaceAll(text, "DIR", o.dir))
	return path
}

// ssh returns the lines of `ssh -G`, or what it says when it refuses.
func (o *oracle) ssh(file string, args []string) (lines []string, refusal string) {
	cmd := exec.Command(o.program, append([]string{"-G", "-F", file}, o.places(args)...)...)
	cmd.Dir = o.dir
	return run(cmd)
}

func run(cmd *exec.Cmd) (lines []string, refusal string) {
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		return nil, fmt.Sprintf("%v: %s", err, problems.String())
	}
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n"), ""
}

// ours returns the lines of config.Print, or the error.
func (o *oracle) ours(file string, args []string) (lines []string, refusal string) {
	request, err := parseArguments(append([]string{"-F", file}, o.places(args)...))
	if err != nil {
		return nil, err.Error()
	}
	request.Environment, request.Inspect, request.Session = o.environment, true, true
	return resolved(request)
}

func resolved(request config.Request) (lines []string, refusal string) {
	options, err := config.Resolve(context.Background(), request)
	if err != nil {
		return nil, "error: " + err.Error()
	}
	var out bytes.Buffer
	if err := options.Print(&out); err != nil {
		return nil, err.Error()
	}
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n"), ""
}

// places puts the directory in the place of its name.
func (o *oracle) places(args []string) []string {
	var all []string
	for _, arg := range args {
		all = append(all, strings.ReplaceAll(arg, "DIR", o.dir))
	}
	return all
}

// parseArguments splits ssh's command line as getopt does.
func parseArguments(args []string) (config.Request, error) {
	const withValue = "BbcDEeFIiJLlmOoPpQRSWw"
	request := config.Request{FlagsBefore: -1}
	for i := 0; i < len(args); i++ {
		word := args[i]
		if len(word) < 2 || word[0] != '-' {
			if request.FlagsBefore >= 0 {
				return request, fmt.Errorf("a second destination %q", word)
			}
			request.Destination, request.FlagsBefore = word, len(request.Flags)
			continue
		}
		for j := 1; j < len(word); j++ {
			letter := word[j]
			if strings.IndexByte(withValue, letter) < 0 {
				request.Flags = append(request.Flags, config.Flag{Letter: letter})
				continue
			}
			value := word[j+1:]
			if value == "" {
				if i++; i == len(args) {
					return request, fmt.Errorf("-%c needs a value", letter)
				}
				value = args[i]
			}
			request.Flags = append(request.Flags, config.Flag{Letter: letter, Value: value})
			break
		}
	}
	if request.FlagsBefore < 0 {
		return request, fmt.Errorf("no destination")
	}
	return request, nil
}

// compare returns what differs between the two, one per line; empty where they agree.
func (o *oracle) compare(t testing.TB, s sample) string {
	t.Helper()
	file := o.write(t, s)
	args := s.args
	if len(args) == 0 {
		args = []string{"host"}
	}
	theirs, refusal := o.ssh(file, args)
	ours, problem := o.ours(file, args)
	switch {
	case refusal != "" && problem != "":
		return ""
	case refusal != "":
		return "ssh refuses, tunneld accepts: " + refusal
	case problem != "":
		return "tunneld refuses, ssh accepts: " + problem
	}
	o.accepted++
	return o.differences(theirs, ours)
}

// differences compares the lines in their order, but for those that an exception explains.
func (o *oracle) differences(theirs, ours []string) string {
	left := func(line string) bool {
		keyword, _, _ := strings.Cut(strings.ToLower(line), " ")
		return o.only(keyword) || isOwn(line)
	}
	ours, theirs = slices.DeleteFunc(slices.Clone(ours), left), slices.DeleteFunc(slices.Clone(theirs), left)
	for i, line := range theirs {
		unset := line == "serveraliveinterval 0" || line == "serveraliveinterval 300"
		if unset && slices.Contains(ours, "serveraliveinterval 15") {
			theirs[i] = "serveraliveinterval 15" // exception "keepalives"
		}
		if o.same != nil && i < len(ours) && o.same(theirs[i], ours[i]) {
			theirs[i] = ours[i]
		}
	}
	if slices.Equal(theirs, ours) {
		return ""
	}
	var diff strings.Builder
	for _, line := range theirs {
		if !slices.Contains(ours, line) {
			fmt.Fprintf(&diff, "only ssh:     %s\n", line)
		}
	}
	for _, line := range ours {
		if !slices.Contains(theirs, line) {
			fmt.Fprintf(&diff, "only tunneld: %s\n", line)
		}
	}
	if diff.Len() == 0 {
		i := 0
		for i < min(len(theirs), len(ours)) && theirs[i] == ours[i] {
			i++
		}
		return fmt.Sprintf("the order or the number of lines differs, after %q: %q, and %q", theirs[i-1], theirs[i:min(i+3, len(theirs))], ours[i:min(i+3, len(ours))])
	}
	return diff.String()
}

// isOwn tells tunneld's own keywords, exception "own keywords". One of ssh's has the same first letters.
func isOwn(line string) bool {
	return strings.HasPrefix(line, "tunneld") && !strings.HasPrefix(line, "tunneldevice ")
}

// needOracle skips the test where the program is missing, or is not the release whose differences are known.
func (r release) need(t testing.TB) {
	t.Helper()
	lab.Need(t, r.program)
	version, err := exec.Command(r.program, "-V").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(version), r.version) {
		t.Skipf("%s is %s, and the oracle is %s: find out what has changed", r.program, bytes.TrimSpace(version), r.version)
	}
}

func TestConfigAgreesWithSSH(t *testing.T) {
	newest.need(t)
	o := newOracle(t, newest, t.TempDir())
	for _, s := range append(handWritten(), newer()...) {
		if _, known := unlikeNewest[s.name]; known || strings.HasPrefix(s.name, "GSSAPI") { // which this ssh ignores; see oldest
			continue
		}
		if d := o.compare(t, s); d != "" && !o.tolerated(t, s, d) {
			t.Errorf("%s: %q %q\n%s", s.name, s.text, s.args, d)
		}
	}
}

// tolerated reports whether the newest release refuses what the distribution's takes, and tunneld with it.
func (o *oracle) tolerated(t testing.TB, s sample, difference string) bool {
	t.Helper()
	if !strings.HasPrefix(difference, "ssh refuses") {
		return false
	}
	args := s.args
	if len(args) == 0 {
		args = []string{"host"}
	}
	older := &oracle{release: oldest, dir: o.dir, environment: o.environment}
	_, refusal := older.ssh(o.write(t, s), args)
	if refusal == "" {
		o.accepted++ // by the one that knows what it is about, such as GSSAPI
	}
	return refusal == ""
}

var loneEquals = regexp.MustCompile(`(?im)^\s*match\b.*\s=`)

// disagreement returns in what a random sample differs from the newest release, unless the distribution's reads it as tunneld does:
// the newest has been built without GSSAPI, and takes a blank for a part of a jump host's name. Of a Match line with an equals sign
// that stands alone, which the two read in different ways, tunneld accepts both readings.
func (o *oracle) disagreement(t testing.TB, s sample) string {
	t.Helper()
	d := o.compare(t, s)
	if d == "" || o.tolerated(t, s, d) {
		return ""
	}
	older := &oracle{release: oldest, dir: o.dir, environment: o.environment}
	if older.compare(t, s) == "" {
		o.accepted += older.accepted
		return ""
	}
	text := s.text
	for _, file := range s.files {
		text += "\n" + file
	}
	if strings.HasPrefix(d, "ssh refuses") && loneEquals.MatchString(text) {
		return ""
	}
	return d
}

func TestConfigAgreesWithSSHOnRandomConfigurations(t *testing.T) {
	newest.need(t)
	oldest.need(t)
	first, count := uint64(1), 300
	if runs := os.Getenv("TUNNELD_DIFFERENTIAL"); runs != "" { // "FIRST COUNT", for long runs by hand
		if _, err := fmt.Sscan(runs, &first, &count); err != nil {
			t.Fatal(err)
		}
	}
	o := newOracle(t, newest, t.TempDir())
	for seed := first; seed < first+uint64(count); seed++ {
		s := newGenerator(seed, nil).sample()
		if d := o.disagreement(t, s); d != "" {
			t.Errorf("seed %d: %q\n%s\n--- %q\n%s", seed, s.args, s.text, s.files, d)
		}
	}
	t.Logf("%d of %d were accepted by tunneld and by an ssh", o.accepted, count)
	if o.accepted < count/4 {
		t.Error("too few to say much: the generator writes nonsense")
	}
}

// unlikeNewest are the samples in which OpenSSH 10.6 does what nobody can want.
var unlikeNewest = map[string]string{
	"ProxyJump/18":    "a blank is a part of the host's name, which no look-up finds",
	"ProxyJump/19":    "the same",
	"command line/48": "-C is printed as UNKNOWN",
}

// unlike are the samples in which OpenSSH 9.2 has another rule than today's, and why.
var unlike = map[string]string{
	"ignored keywords/20": "SetupTimeOut is an old name of ConnectTimeout now, and was one of ServerAliveInterval",
	"Match/20":            "a word of Match may be in single quotes",
	"Match/75":            "a quoted number sign begins a comment",
	"Match/76":            "a quoted number sign begins a comment",
	"Match/27":            "an empty word is no end of the criteria",
	"Match/28":            "quotes may be within a word of Match",
	"multi-valued/26":     "CanonicalDomains has no more than 32 domains",
	"multi-valued/34":     "the last StreamLocalBindMask holds",
	"multi-valued/35":     "a StreamLocalBindMask holds also in a block that does not",
}

// What the distribution's ssh takes, tunneld takes, and it means the same but where a rule has changed since.
func TestConfigAgreesWithTheDistributionsSSH(t *testing.T) {
	oldest.need(t)
	o, known := newOracle(t, oldest, t.TempDir()), maps.Clone(unlike)
	for _, s := range handWritten() {
		d := o.compare(t, s)
		_, expected := known[s.name]
		if d != "" {
			delete(known, s.name)
		}
		if d == "" || expected {
			continue
		}
		t.Errorf("%s: %q %q\n%s", s.name, s.text, s.args, d)
	}
	for name, why := range known {
		t.Errorf("%s does not differ (%s)", name, why)
	}
}

// FuzzDifferential lets the bytes of the fuzzer choose a configuration and compares what ssh and tunneld make of it.
func FuzzDifferential(f *testing.F) {
	newest.need(f)
	oldest.need(f)
	f.Add(uint64(1), []byte{})
	f.Add(uint64(2), []byte{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9})
	f.Fuzz(func(t *testing.T, seed uint64, choices []byte) {
		s, o := newGenerator(seed, choices).sample(), newOracle(t, newest, t.TempDir())
		if d := o.disagreement(t, s); d != "" {
			t.Errorf("%q\n%s\n--- %q\n%s", s.args, s.text, s.files, d)
		}
	})
}

// exceptions are all the places where tunneld means to differ from `ssh -G` of OpenSSH 10.6, each with a sample that shows it.
// Three more cannot be shown on every machine: "Match exec" is not run where others can write to the file, nor in a file
// that is included from a block that does not hold, and it ends after ten seconds; and CanonicalizeHostname finds a name of
// /etc/hosts with the domain behind it, which the C library asks the DNS for only.
// Where ssh refuses, tunneld accepts and has the line of want.
var exceptions = []struct {
	name, reason string
	sample       sample
	want         string // a line of ours that is none of theirs; "refused": only tunneld refuses
}{
	{
		"keepalives", "ssh sends none where nobody sets ServerAliveInterval (every 300 s under BatchMode); a tunnel that nobody watches must find out that its server is gone",
		sample{text: ""}, "serveraliveinterval 15",
	},
	{
		"own keywords", "tunneld's own settings stand in the same file; ssh skips them behind IgnoreUnknown Tunneld*, and here they hold with it and without",
		sample{text: "TunneldHold 5s"}, "tunneldhold 5s",
	},
	{
		"RefuseConnection", "ssh -G ends there; a configuration can be looked at here, and opens nothing",
		sample{text: "RefuseConnection gone"}, "refuseconnection gone",
	},
	{
		"old names", "what a file of OpenSSH 9.2 names, and newer ones do not: ssh-dss, GSSAPI key exchange, a mark as a hexadecimal number",
		sample{text: "HostKeyAlgorithms ssh-dss"}, "hostkeyalgorithms ssh-dss",
	},
	{
		"blanks around the equals sign of a criterion", "OpenSSH up to 9.8 reads them",
		sample{text: "Match host = host\nPort 7"}, "port 7",
	},
	{
		"Include of a name that cannot be expanded", "ssh ends; here such a name names no file",
		sample{text: "Include /x/%z\nPort 7"}, "port 7",
	},
	{
		"no host", "ssh goes on with an empty name and fails to resolve it",
		sample{args: []string{"bob@"}}, "refused",
	},
	{
		"flags", "what is about another program or a network device makes no tunnel: -O -Q -V -w",
		sample{args: []string{"-w", "0", "host"}}, "refused",
	},
}

func TestConfigExceptions(t *testing.T) {
	newest.need(t)
	o := newOracle(t, newest, t.TempDir())
	for _, e := range exceptions {
		t.Run(e.name, func(t *testing.T) {
			file := o.write(t, e.sample)
			args := e.sample.args
			if len(args) == 0 {
				args = []string{"host"}
			}
			theirs, _ := o.ssh(file, args)
			ours, problem := o.ours(file, args)
			if e.want == "refused" {
				if problem == "" {
					t.Errorf("tunneld accepts; the exception (%s) is none", e.reason)
				}
				return
			}
			if !slices.Contains(ours, e.want) || slices.Contains(theirs, e.want) {
				t.Errorf("%q is not what tells the two apart (%s); %s", e.want, e.reason, problem)
			}
		})
	}
}

// The user's and the system's files have their places, so that ssh gets a home directory and an /etc/ssh of its own.
func TestConfigAgreesWithSSHOnUserAndSystemFiles(t *testing.T) {
	newest.need(t)
	needNamespaces(t)
	for _, c := range []struct{ name, user, system string }{
		{"user first", "Port 1\nUser a\nIdentityFile x", "Port 2\nIdentityFile y\nConnectTimeout 5"},
		{"both accumulate", "LocalForward 1 h:1\nSendEnv A\nIdentityFile x", "LocalForward 2 h:2\nSendEnv B\nIdentityFile x"},
		{"system only", "", "Host host\nPort 2"},
		{"state of the user's blocks ends", "Host other", "Port 2"},
		{"Include of the user", "Include inc0 ~/.ssh/inc1", ""},
		{"Include of the system", "", "Include sys0\nInclude ssh_config.d/*.conf"},
		{"home in a system file", "", "Include ~/x"},
		{"second pass over both", "HostName real\nMatch final\nUser x", "Host real\nPort 3"},
		{"final in the system's", "HostName real\nHost real\nPort 4", "Match final all\nUser y"},
		{"mistake in the system's", "Port 1", "Bogus 1"},
		{"Fedora's", "Port 1", "Match final all\nInclude sys0\nGSSAPIAuthentication yes"},
		{"IgnoreUnknown across files", "IgnoreUnknown Foo", "Foo 1"},
		{"jump of both", "ProxyCommand nc", "ProxyJump gate"},
		{"lists of both", "UserKnownHostsFile a", "UserKnownHostsFile b\nGlobalKnownHostsFile c"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOracle(t, newest, t.TempDir())
			for name, text := range map[string]string{
				"home/.ssh/config": c.user, "home/.ssh/inc0": "Host h*\nPort 7", "home/.ssh/inc1": "User i", "etc/ssh_config": c.system,
				"etc/sys0": "ConnectTimeout 8", "etc/ssh_config.d/a.conf": "Host host\nPort 9",
			} {
				o.put(t, name, text+"\n")
			}
			theirs, refusal := o.sshAtHome()
			ours, problem := o.oursAtHome()
			switch {
			case (refusal == "") != (problem == ""):
				t.Errorf("ssh: %q, tunneld: %q", refusal, problem)
			case refusal == "":
				if d := o.differences(theirs, ours); d != "" {
					t.Error(d)
				}
			}
		})
	}
}

// needNamespaces skips the test where no mounts of one's own are allowed.
func needNamespaces(t testing.TB) {
	t.Helper()
	lab.Need(t, "unshare")
	if err := exec.Command("unshare", "--mount", "true").Run(); err != nil {
		t.Skipf("no mount namespace is allowed here: %v", err)
	}
}

// sshAtHome runs `ssh -G host` where home/ is the home directory and etc/ is /etc/ssh.
func (o *oracle) sshAtHome() (lines []string, refusal string) {
	script := `mount --bind "$1/home" "$2" && mount --bind "$1/etc" /etc/ssh && exec "$3" -G host`
	return run(exec.Command("unshare", "--mount", "sh", "-c", script, "sh", o.dir, o.environment.Home, o.program))
}

// oursAtHome reads the same files. Names below the home directory are printed as in the other one.
func (o *oracle) oursAtHome() (lines []string, refusal string) {
	environment := o.environment
	environment.UserFile = filepath.Join(o.dir, "home/.ssh/config")
	environment.SystemFile = filepath.Join(o.dir, "etc/ssh_config")
	environment.Getenv = func(name string) (string, bool) {
		if name == "HOME" { // for "~" in Include, which is about files and not printed
			return filepath.Join(o.dir, "home"), true
		}
		return os.LookupEnv(name)
	}
	return resolved(config.Request{Destination: "host", Environment: environment, Inspect: true, Session: true})
}
