package tunnel

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
)

// The same files of known hosts, judged by us and by the installed ssh before the same sshd.

// liveServer is an sshd on 127.0.0.1 with host keys of three types and a certificate.
type liveServer struct {
	dir       string
	port      int
	user      string
	keys      map[string]ssh.PublicKey // by type's first word
	authority ssh.PublicKey            // certified the ed25519 key for 127.0.0.1
}

// startLiveServer runs sshd until the test ends. The lines are of sshd_config(5), with DIR for the server's directory.
func startLiveServer(t *testing.T, lines ...string) *liveServer {
	t.Helper()
	program(t, "ssh")
	sshd := program(t, "sshd")
	account, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	s := &liveServer{dir: t.TempDir(), port: freeLocalPort(t), user: account.Username, keys: map[string]ssh.PublicKey{}}
	for _, kind := range []string{"ed25519", "ecdsa", "rsa"} {
		s.keys[kind] = readPublic(t, writePrivate(t, s.dir, kind)+".pub")
	}
	s.authority = readPublic(t, writePrivate(t, s.dir, "ecdsa ca")+".pub")
	writePrivate(t, s.dir, "ed25519 login")
	mustRun(t, "ssh-keygen", "-q", "-s", s.path("ecdsa_ca"), "-h", "-I", "live host", "-n", "127.0.0.1,alias", "-z", "9", s.path("ed25519.pub"))
	lines = append(slices.Clone(lines), fmt.Sprint("Port ", s.port), "ListenAddress 127.0.0.1", "PidFile none", "UsePAM no", "StrictModes no",
		"PermitRootLogin yes", "PasswordAuthentication no", "KbdInteractiveAuthentication no", "MaxStartups 1000",
		"AuthorizedKeysFile "+s.path("ed25519_login.pub"), "HostKey "+s.path("ed25519"), "HostKey "+s.path("ecdsa"), "HostKey "+s.path("rsa"), "")
	if err := os.WriteFile(s.path("sshd_config"), []byte(strings.ReplaceAll(strings.Join(lines, "\n"), "DIR", s.dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	s.run(t, sshd, "-D", "-e", "-f", s.path("sshd_config"))
	return s
}

// run starts a server and waits until it listens on the port.
func (s *liveServer) run(t *testing.T, words ...string) {
	t.Helper()
	if os.Getuid() == 0 {
		os.MkdirAll("/run/sshd", 0o755) // where sshd's unprivileged half is locked up
	}
	command := exec.Command(words[0], words[1:]...)
	ownGroup(command)
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	command.WaitDelay = time.Second
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		kill(command)
		command.Wait()
		if t.Failed() {
			t.Logf("server:\n%s", tailText(output.String(), 4000))
		}
	})
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); <-tick.C {
		if conn, err := net.Dial("tcp", s.address()); err == nil {
			conn.Close()
			return
		}
	}
	t.Fatal("the server does not listen")
}

func tailText(text string, n int) string { return text[max(len(text)-n, 0):] }

func freeLocalPort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func (s *liveServer) path(name string) string { return filepath.Join(s.dir, name) }

func (s *liveServer) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// name gives the server's name in known_hosts.
func (s *liveServer) name() string { return fmt.Sprintf("[127.0.0.1]:%d", s.port) }

// line gives a line of known_hosts with a key of the server.
func (s *liveServer) line(names, kind string) string { return names + " " + keyText(s.keys[kind]) }

// setting is an option of ssh_config(5).
type setting struct{ keyword, value string }

// options gives ours for the settings.
func (s *liveServer) options(t *testing.T, file string, settings []setting) *config.Options {
	t.Helper()
	o := &config.Options{
		Alias: "live", HostName: "127.0.0.1", Port: s.port, User: s.user, UserKnownHostsFile: []string{file},
		StrictHostKeyChecking: config.StrictYes, UpdateHostKeys: config.UpdateNo, RequiredRSASize: 1024,
	}
	for _, set := range settings {
		switch set.keyword {
		case "StrictHostKeyChecking":
			o.StrictHostKeyChecking = map[string]config.StrictHostKeyChecking{
				"yes": config.StrictYes, "no": config.StrictNo, "accept-new": config.StrictAcceptNew, "ask": config.StrictAsk}[set.value]
		case "HostKeyAlias":
			o.HostKeyAlias = set.value
		case "HostKeyAlgorithms":
			o.HostKeyAlgorithms, o.HostKeyAlgorithmsExact = strings.Split(set.value, ","), true
		case "RequiredRSASize":
			o.RequiredRSASize, _ = strconv.Atoi(set.value)
		case "RevokedHostKeys":
			o.RevokedHostKeys = set.value
		case "CASignatureAlgorithms":
			o.CASignatureAlgorithms = strings.Split(set.value, ",")
		case "GlobalKnownHostsFile":
			o.GlobalKnownHostsFile = strings.Fields(set.value)
		case "UserKnownHostsFile":
			o.UserKnownHostsFile = strings.Fields(set.value)
		case "KnownHostsCommand":
			o.KnownHostsCommand = strings.ReplaceAll(set.value, "%h", "127.0.0.1") // as the configuration hands it over
		case "UpdateHostKeys":
			o.UpdateHostKeys = config.UpdateYes
		default:
			t.Fatalf("no option for %s", set.keyword)
		}
	}
	return o
}

// byUs tells whether we accept the server's key, and why not.
func (s *liveServer) byUs(t *testing.T, file string, settings ...setting) (bool, error) {
	t.Helper()
	h, err := newHostKeys(t.Context(), s.options(t, file, settings), nil, testLog(t))
	if err != nil {
		return false, err
	}
	conn, err := net.Dial("tcp", s.address())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	verdict := errors.New("no key exchange")
	client := &ssh.ClientConfig{User: s.user, HostKeyAlgorithms: h.algorithms(),
		HostKeyCallback: func(_ string, remote net.Addr, key ssh.PublicKey) error {
			verdict = h.check(t.Context(), remote, key)
			return verdict
		}}
	if _, _, _, err := ssh.NewClientConn(conn, s.address(), client); err == nil {
		t.Fatal("logged in without a key")
	} else if verdict != nil && PhaseOf(verdict) == "" {
		t.Fatal(err)
	}
	return verdict == nil, verdict
}

// bySSH tells whether ssh does.
func (s *liveServer) bySSH(t *testing.T, file string, settings ...setting) (bool, string) {
	t.Helper()
	output, _ := runProgram(t, "ssh", s.words(file, settings, "-o", "PreferredAuthentications=none", "127.0.0.1", "true")...)
	accepted := strings.Contains(output, "Permission denied")
	if !accepted && !strings.Contains(output, "Host key verification failed") && !strings.Contains(output, "Bad server host key") &&
		!strings.Contains(output, "KnownHostsCommand failed") && !strings.Contains(output, "no matching host key type") {
		t.Fatalf("ssh says neither yes nor no: %s", output)
	}
	return accepted, output
}

func (s *liveServer) words(file string, settings []setting, more ...string) []string {
	words := []string{"-F", "none", "-p", strconv.Itoa(s.port), "-l", s.user, "-i", s.path("ed25519_login")}
	for _, set := range settings {
		words = append(words, "-o", set.keyword+"="+set.value)
	}
	for _, set := range []string{"BatchMode=yes", "IdentitiesOnly=yes", "UserKnownHostsFile=" + file, "GlobalKnownHostsFile=/dev/null",
		"StrictHostKeyChecking=yes", "UpdateHostKeys=no", "ControlPath=none", "LogLevel=VERBOSE"} {
		words = append(words, "-o", set)
	}
	return append(words, more...)
}

// compare lets both judge, each with a file of its own, and compares what they wrote into it.
func (s *liveServer) compare(t *testing.T, lines []string, settings ...setting) (accepted bool) {
	t.Helper()
	oursFile, theirsFile := writeLines(t, lines...), writeLines(t, lines...)
	ours, err := s.byUs(t, oursFile, settings...)
	theirs, output := s.bySSH(t, theirsFile, settings...)
	if ours != theirs {
		t.Errorf("ours %v (%v), ssh's %v with\n%s\nssh says: %s", ours, err, theirs, strings.Join(lines, "\n"), output)
	}
	if ours, theirs := readFile(t, oursFile), readFile(t, theirsFile); ours != theirs {
		t.Errorf("we left\n%s\nssh left\n%s", ours, theirs)
	}
	return ours
}

func TestVerdictsAgreeWithSSH(t *testing.T) {
	s := startLiveServer(t)
	name, bare := s.name(), "127.0.0.1"
	other := keyText(testKey(t, "ed25519 a"))
	rsaOnly := setting{"HostKeyAlgorithms", "rsa-sha2-512"}
	strict := func(value string) setting { return setting{"StrictHostKeyChecking", value} }
	command := filepath.Join(t.TempDir(), "command")
	script := "#!/bin/sh\n[ \"$1\" = HOSTNAME ] && [ \"$2\" != NONE ] && [ \"$4\" = 127.0.0.1 ] && echo \"$5 $3 $2\"\ntrue\n"
	if err := os.WriteFile(command, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	saysItAll := setting{"KnownHostsCommand", command + " %I %K %t %h %H"}
	revoked := filepath.Join(t.TempDir(), "revoked")
	if err := os.WriteFile(revoked, []byte(keyText(s.keys["ed25519"])+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	revocations := filepath.Join(t.TempDir(), "krl")
	mustRun(t, "ssh-keygen", "-q", "-k", "-f", revocations, s.path("ed25519.pub"))
	global := filepath.Join(t.TempDir(), "global")
	if err := os.WriteFile(global, []byte(s.line(name, "ecdsa")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		lines    []string
		settings []setting
		differs  string // why we differ from ssh; empty: we do not
	}{
		"nothing":                  {nil, nil, ""},
		"accept-new":               {[]string{"# comment"}, []setting{strict("accept-new")}, ""},
		"no":                       {nil, []setting{strict("no")}, ""},
		"ask":                      {nil, []setting{strict("ask")}, ""},
		"known":                    {[]string{s.line(name, "ed25519")}, nil, ""},
		"only ecdsa":               {[]string{s.line(name, "ecdsa")}, nil, ""},
		"only rsa":                 {[]string{s.line(name, "rsa")}, nil, ""},
		"rsa with a newer name":    {[]string{name + " rsa-sha2-256 " + strings.Fields(keyText(s.keys["rsa"]))[1]}, nil, ""},
		"another type offered":     {[]string{s.line(name, "ed25519")}, []setting{rsaOnly, strict("accept-new")}, ""},
		"two types offered":        {[]string{s.line(name, "ed25519")}, []setting{{"HostKeyAlgorithms", "rsa-sha2-512,ssh-ed25519"}}, ""},
		"changed":                  {[]string{name + " " + other}, []setting{strict("accept-new")}, ""},
		"changed and known":        {[]string{name + " " + other, s.line(name, "ed25519")}, nil, ""},
		"without port":             {[]string{s.line(bare, "ed25519")}, nil, ""},
		"without port, rsa":        {[]string{s.line(bare, "rsa")}, []setting{strict("accept-new")}, ""},
		"without port, rsa, yes":   {[]string{s.line(bare, "rsa")}, nil, ""},
		"without port, changed":    {[]string{bare + " " + other}, []setting{strict("accept-new")}, ""},
		"pattern":                  {[]string{s.line("[127.0.*]:*", "ed25519")}, nil, ""},
		"pattern without port":     {[]string{s.line("127.0.0.?", "ed25519")}, nil, ""},
		"any":                      {[]string{s.line("*", "ecdsa")}, nil, ""},
		"negated":                  {[]string{s.line("*,!"+bare, "ecdsa")}, nil, ""},
		"negated with port":        {[]string{s.line("*,!"+name, "ecdsa")}, nil, ""},
		"hashed":                   {[]string{s.line(hashName(name, newSalt()), "ed25519")}, nil, ""},
		"hashed without port":      {[]string{s.line(hashName(bare, newSalt()), "ed25519")}, nil, ""},
		"alias":                    {[]string{s.line("alias", "ed25519")}, []setting{{"HostKeyAlias", "Alias"}}, ""},
		"alias hashed":             {[]string{s.line(hashName("alias", newSalt()), "ed25519")}, []setting{{"HostKeyAlias", "ALIAS"}}, ""},
		"alias, new":               {[]string{s.line(name, "ed25519")}, []setting{{"HostKeyAlias", "ALIAS"}, strict("accept-new")}, ""},
		"revoked":                  {[]string{s.line(name, "ed25519"), "@revoked " + s.line("*", "ed25519")}, nil, ""},
		"revoked, other type":      {[]string{s.line(name, "ecdsa"), "@revoked " + s.line("*", "ed25519")}, nil, ""},
		"revoked for another":      {[]string{s.line(name, "ed25519"), "@revoked " + s.line("x", "ed25519")}, nil, ""},
		"revoked, first of a type": {[]string{s.line(name, "ecdsa"), "@revoked " + s.line(name, "ecdsa")}, nil, ""},
		"plain key of authority":   {[]string{"@cert-authority " + s.line("*", "ed25519")}, []setting{strict("accept-new")}, ""},
		"garbage around":           {[]string{"x", name, name + " ssh-ed25519", "@x " + s.line(name, "rsa"), s.line(name, "ed25519") + " c", name + " ssh-new AAAA"}, nil, ""},
		"garbage alone":            {[]string{name + " ssh-ed25519 AAAA", name + " ssh-new AAAA"}, []setting{strict("accept-new")}, ""},
		"carriage returns":         {[]string{s.line(name, "ed25519") + "\r"}, nil, ""},
		"global":                   {nil, []setting{{"GlobalKnownHostsFile", "/missing " + global}}, ""},
		"global contradicts":       {[]string{s.line(name, "ed25519")}, []setting{{"GlobalKnownHostsFile", global}}, ""},
		"global alone, rsa":        {nil, []setting{{"GlobalKnownHostsFile", global}, rsaOnly, strict("accept-new")}, ""},
		"no user file":             {nil, []setting{{"UserKnownHostsFile", "none"}, strict("no")}, ""},
		"no user file, global":     {nil, []setting{{"UserKnownHostsFile", "none"}, {"GlobalKnownHostsFile", global}}, ""},
		"command":                  {nil, []setting{saysItAll}, ""},
		"command contradicted":     {[]string{name + " " + other}, []setting{saysItAll}, ""},
		"command fails":            {[]string{s.line(name, "ed25519")}, []setting{{"KnownHostsCommand", "/bin/false"}}, ""},
		"command missing":          {[]string{s.line(name, "ed25519")}, []setting{{"KnownHostsCommand", "/missing/command"}}, ""},
		"command not absolute":     {[]string{s.line(name, "ed25519")}, []setting{{"KnownHostsCommand", "true"}}, ""},
		"command says nothing":     {nil, []setting{{"KnownHostsCommand", "/bin/true"}, strict("accept-new")}, ""},
		"RevokedHostKeys":          {[]string{s.line(name, "ed25519")}, []setting{{"RevokedHostKeys", revoked}}, ""},
		"RevokedHostKeys, other":   {[]string{s.line(name, "ecdsa")}, []setting{{"RevokedHostKeys", revoked}}, ""},
		"RevokedHostKeys, KRL":     {[]string{s.line(name, "ed25519")}, []setting{{"RevokedHostKeys", revocations}}, ""},
		"RevokedHostKeys missing":  {[]string{s.line(name, "ed25519")}, []setting{{"RevokedHostKeys", "/missing"}}, ""},
		"RevokedHostKeys garbage":  {[]string{s.line(name, "ed25519")}, []setting{{"RevokedHostKeys", command}}, ""},
		"RevokedHostKeys, no":      {[]string{s.line(name, "ed25519")}, []setting{{"RevokedHostKeys", revoked}, strict("no")}, ""},
		"long RSA keys":            {[]string{s.line(name, "rsa")}, []setting{{"RequiredRSASize", "3072"}, rsaOnly}, ""},
		"RSA keys long enough":     {[]string{s.line(name, "rsa")}, []setting{{"RequiredRSASize", "2048"}, rsaOnly}, ""},
		"revoked without port":     {[]string{"@revoked " + s.line(bare, "ed25519")}, []setting{strict("accept-new")}, "a revoked key is refused always"},
		"changed, no":              {[]string{name + " " + other}, []setting{strict("no")}, "ssh connects without forwards"},
		"revoked, no":              {[]string{"@revoked " + s.line(name, "ed25519")}, []setting{strict("no")}, "ssh connects without forwards"},
	}
	accepted := 0
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			if test.differs != "" {
				if ours, _ := s.byUs(t, writeLines(t, test.lines...), test.settings...); ours {
					t.Errorf("accepted, though %s", test.differs)
				}
				return
			}
			if s.compare(t, test.lines, test.settings...) {
				accepted++
			}
		})
	}
	if accepted < 20 || accepted > len(tests)-20 {
		t.Errorf("%d of %d accepted: the cases lean to one side", accepted, len(tests))
	}
}

func TestCertificateVerdictsAgreeWithSSH(t *testing.T) {
	s := startLiveServer(t, "HostCertificate DIR/ed25519-cert.pub")
	s.certify(t, "-n", "127.0.0.1,alias")
	name, authority := s.name(), keyText(s.authority)
	tests := map[string]struct {
		lines    []string
		settings []setting
		certify  []string // options of ssh-keygen for another certificate
	}{
		"authority":                  {[]string{"@cert-authority * " + authority}, nil, nil},
		"authority with port":        {[]string{"@cert-authority " + name + " " + authority}, nil, nil},
		"authority without port":     {[]string{"@cert-authority 127.0.0.1 " + authority}, nil, nil},
		"authority hashed":           {[]string{"@cert-authority " + hashName(name, newSalt()) + " " + authority}, nil, nil},
		"authority of others":        {[]string{"@cert-authority x " + authority}, nil, nil},
		"not marked":                 {[]string{name + " " + authority}, nil, nil},
		"key itself known":           {[]string{s.line(name, "ed25519")}, nil, nil},
		"key itself known, no port":  {[]string{s.line("127.0.0.1", "ed25519")}, nil, nil},
		"unknown, recorded plain":    {nil, []setting{{"StrictHostKeyChecking", "accept-new"}}, nil},
		"alias":                      {[]string{"@cert-authority alias " + authority}, []setting{{"HostKeyAlias", "alias"}}, nil},
		"alias is no principal":      {[]string{"@cert-authority * " + authority}, []setting{{"HostKeyAlias", "other"}}, nil},
		"revoked authority":          {[]string{"@cert-authority * " + authority, "@revoked * " + authority}, nil, nil},
		"revoked key":                {[]string{"@cert-authority * " + authority, "@revoked " + s.line("*", "ed25519")}, nil, nil},
		"rsa known beside authority": {[]string{"@cert-authority * " + authority, s.line(name, "rsa")}, nil, nil},
		"signature not permitted":    {[]string{"@cert-authority * " + authority}, []setting{{"CASignatureAlgorithms", "ssh-ed25519"}}, nil},
		"certificates not offered":   {[]string{"@cert-authority * " + authority}, []setting{{"HostKeyAlgorithms", "ssh-ed25519"}}, nil},
		"key changed, no port known": {[]string{name + " " + keyText(testKey(t, "ed25519 a")), s.line("127.0.0.1", "ed25519")}, nil, nil},
		"other host":                 {[]string{"@cert-authority * " + authority}, nil, []string{"-n", "x,*"}},
		"other host, accept-new":     {[]string{"@cert-authority * " + authority}, []setting{{"StrictHostKeyChecking", "accept-new"}}, []string{"-n", "x"}},
		"every host":                 {[]string{"@cert-authority * " + authority}, nil, []string{}},
		"expired":                    {[]string{"@cert-authority * " + authority}, nil, []string{"-n", "127.0.0.1", "-V", "20200101:20210101"}},
		"not yet valid":              {[]string{"@cert-authority * " + authority}, nil, []string{"-n", "127.0.0.1", "-V", "20990101:20990102"}},
		"expired, key known":         {[]string{"@cert-authority * " + authority, s.line(name, "ed25519")}, nil, []string{"-n", "127.0.0.1", "-V", "20200101:20210101"}},
		"critical option":            {[]string{"@cert-authority * " + authority}, nil, []string{"-n", "127.0.0.1", "-O", "critical:x@example=y"}},
		"extension":                  {[]string{"@cert-authority * " + authority}, nil, []string{"-n", "127.0.0.1", "-O", "extension:x@example=y"}},
	}
	accepted := 0
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			if test.certify != nil {
				s.certify(t, test.certify...)
				defer s.certify(t, "-n", "127.0.0.1,alias")
			}
			if s.compare(t, test.lines, test.settings...) {
				accepted++
			}
		})
	}
	if accepted < 7 || accepted > len(tests)-7 {
		t.Errorf("%d of %d accepted: the cases lean to one side", accepted, len(tests))
	}
}

// certify makes a new host certificate, which holds from the next connection, because sshd starts anew for each.
func (s *liveServer) certify(t *testing.T, options ...string) {
	t.Helper()
	words := append([]string{"-q", "-s", s.path("ecdsa_ca"), "-h", "-I", "live host", "-z", "9"}, options...)
	mustRun(t, "ssh-keygen", append(words, s.path("ed25519.pub"))...)
}

// Files made by chance around the server's real keys.
func TestGeneratedFilesAgreeWithSSH(t *testing.T) {
	s := startLiveServer(t)
	keys := []string{keyText(s.keys["ed25519"]), keyText(s.keys["ecdsa"]), keyText(s.keys["rsa"]), keyText(testKey(t, "ed25519 a"))}
	files := 40
	if testing.Short() {
		files = 10
	}
	accepted := 0
	for seed := range files {
		m := &lineMaker{Rand: rand.New(rand.NewPCG(2, uint64(seed))), keys: keys}
		lines := make([]string, 1+m.IntN(4))
		for i := range lines {
			line := strings.NewReplacer("host.example", "127.0.0.1", "2222", strconv.Itoa(s.port), "h?st", "12?").Replace(m.line())
			lines[i] = strings.ReplaceAll(line, "\x00", "")
		}
		strict := m.pick("yes", "yes", "accept-new")
		if strict == "accept-new" && strings.Contains(strings.Join(lines, "\n"), "@revoked") {
			strict = "yes" // there we are the stricter ones
		}
		if s.compare(t, lines, setting{"StrictHostKeyChecking", strict}) {
			accepted++
		}
	}
	t.Logf("%d of %d accepted", accepted, files)
	if accepted < files/6 || accepted > files*5/6 {
		t.Errorf("%d of %d accepted: the files lean to one side", accepted, files)
	}
}

// Dropbear hangs up unless the first host key algorithm is one of its own, so they are offered in the order of known_hosts.
func TestAlgorithmsForDropbear(t *testing.T) {
	dropbear, generate := program(t, "dropbear"), program(t, "dropbearkey")
	for _, kind := range []string{"ed25519", "ecdsa", "rsa"} {
		t.Run(kind, func(t *testing.T) {
			s := &liveServer{dir: t.TempDir(), port: freeLocalPort(t), user: "nobody"}
			output := mustRun(t, generate, "-t", kind, "-f", s.path("key"))
			var key string
			for line := range strings.Lines(output) {
				if _, err := parseKeyText(strings.TrimSpace(line)); err == nil {
					key = strings.TrimSpace(line)
				}
			}
			s.run(t, dropbear, "-F", "-E", "-p", s.address(), "-P", s.path("pid"), "-r", s.path("key"))
			file := writeLines(t, s.name()+" "+key)
			if accepted, err := s.byUs(t, file); !accepted {
				t.Error(err)
			}
		})
	}
}
