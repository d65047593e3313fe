package sshconfig

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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

// oracle runs `ssh -G` and config.Resolve on the same files and compares them.
type oracle struct {
	dir         string
	environment config.Environment
	accepted    int // how many samples both took
}

func newOracle(t testing.TB, dir string) *oracle {
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
	return &oracle{dir: dir, environment: environment}
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
	cmd := exec.Command("ssh", append([]string{"-G", "-F", file}, o.places(args)...)...)
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
	request.Environment, request.Inspect = o.environment, true
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
	return differences(theirs, ours)
}

// differences compares the lines in their order, but for those that an exception explains.
func differences(theirs, ours []string) string {
	ours = slices.DeleteFunc(slices.Clone(ours), isOwn)
	theirs = slices.Clone(theirs)
	for i, line := range theirs {
		unset := line == "serveraliveinterval 0" || line == "serveraliveinterval 300"
		if unset && slices.Contains(ours, "serveraliveinterval 15") {
			theirs[i] = "serveraliveinterval 15" // exception "keepalives"
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
		return "the order or the number of lines differs:\n" + strings.Join(theirs, "\n") + "\n---\n" + strings.Join(ours, "\n")
	}
	return diff.String()
}

// isOwn tells tunneld's own keywords, exception "own keywords". One of ssh's has the same first letters.
func isOwn(line string) bool {
	return strings.HasPrefix(line, "tunneld") && !strings.HasPrefix(line, "tunneldevice ")
}

// needOracle skips the test where ssh is not the version whose rules and defaults tunneld has.
func needOracle(t testing.TB) {
	t.Helper()
	lab.Need(t, "ssh")
	version, err := exec.Command("ssh", "-V").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(version), "OpenSSH_9.2p1 Debian") {
		t.Skipf("ssh is %s, and the oracle is OpenSSH 9.2 of Debian 12", bytes.TrimSpace(version))
	}
}

func TestConfigAgreesWithSSH(t *testing.T) {
	needOracle(t)
	o := newOracle(t, t.TempDir())
	for _, s := range handWritten() {
		if d := o.compare(t, s); d != "" {
			t.Errorf("%s: %q %q\n%s", s.name, s.text, s.args, d)
		}
	}
}

func TestConfigAgreesWithSSHOnRandomConfigurations(t *testing.T) {
	needOracle(t)
	first, count := uint64(1), 300
	if runs := os.Getenv("TUNNELD_DIFFERENTIAL"); runs != "" { // "FIRST COUNT", for long runs by hand
		if _, err := fmt.Sscan(runs, &first, &count); err != nil {
			t.Fatal(err)
		}
	}
	o := newOracle(t, t.TempDir())
	for seed := first; seed < first+uint64(count); seed++ {
		s := newGenerator(seed, nil).sample()
		if d := o.compare(t, s); d != "" {
			t.Errorf("seed %d: %q\n%s\n--- %q\n%s", seed, s.args, s.text, s.files, d)
		}
	}
	t.Logf("%d of %d were accepted by both", o.accepted, count)
	if o.accepted < count/4 {
		t.Error("too few to say much: the generator writes nonsense")
	}
}

// FuzzDifferential lets the bytes of the fuzzer choose a configuration and compares what ssh and tunneld make of it.
func FuzzDifferential(f *testing.F) {
	needOracle(f)
	f.Add(uint64(1), []byte{})
	f.Add(uint64(2), []byte{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9})
	f.Fuzz(func(t *testing.T, seed uint64, choices []byte) {
		s := newGenerator(seed, choices).sample()
		if d := newOracle(t, t.TempDir()).compare(t, s); d != "" {
			t.Errorf("%q\n%s\n--- %q\n%s", s.args, s.text, s.files, d)
		}
	})
}

// exceptions are all the places where tunneld means to differ from `ssh -G` of OpenSSH 9.2, each with a sample that shows it.
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
		"newer keywords", "ssh has ChannelTimeout, ObscureKeystrokeTiming, RefuseConnection, Tag, VersionAddendum and WarnWeakCrypto since 9.4 to 10.1; a file that a newer ssh takes must not fail",
		sample{text: "Tag blue"}, "tag blue",
	},
	{
		"newer criteria", "Match has tagged, localnetwork, command, sessiontype and version since 9.4 to 10.0",
		sample{text: "Match sessiontype none\nPort 7"}, "port 7",
	},
	{
		"-P", "it was ignored, and is a tag since 9.4",
		sample{text: "Match tagged blue\nPort 7", args: []string{"-P", "blue", "host"}}, "port 7",
	},
	{
		"%j", "the token for ProxyJump is there since 9.6",
		sample{text: "ProxyJump gate\nControlPath /x/%j"}, "controlpath /x/gate",
	},
	{
		"mlkem768x25519-sha256", "OpenSSH has it since 9.9, and so has tunneld; 9.2's defaults do not name it",
		sample{text: "KexAlgorithms mlkem768x25519-sha256"}, "kexalgorithms mlkem768x25519-sha256",
	},
	{
		"Include with variables and tokens", "newer versions expand them; tunneld does where no file has the name as written",
		sample{text: "Include DIR/inc-${SET}-%n", files: map[string]string{"inc-value-host": "Port 7"}}, "port 7",
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
	needOracle(t)
	o := newOracle(t, t.TempDir())
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
	needOracle(t)
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
			o := newOracle(t, t.TempDir())
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
				if d := differences(theirs, ours); d != "" {
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
	script := `mount --bind "$1/home" "$2" && mount --bind "$1/etc" /etc/ssh && exec ssh -G host`
	return run(exec.Command("unshare", "--mount", "sh", "-c", script, "sh", o.dir, o.environment.Home))
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
	return resolved(config.Request{Destination: "host", Environment: environment, Inspect: true})
}
