package newcomer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/integration/lab"
)

// What a person types, and what the program says. A script's files are those of the home, with $NAME in them filled in:
//
//	$PORT   of an sshd, behind a relay that can be cut; $WHO may log in there
//	$ECHO   port of a server at its side that answers; nobody listens on $NOBODY
//	$P1 …   ports of this side that are free
//
// The home has ~/.ssh/id_ed25519, and a known_hosts with the server unless the script brings one. Beside testscript's own commands
// there are
//
//	exits CODE COMMAND     runs it, and wants that exit code
//	until PATTERN COMMAND  runs it again and again until what it says matches
//	client open|held PORT  connects, and is answered or waits; client close ends all
//	relay shut|cut|open    to the server
//	json                   wants each line of the last standard error to be JSON
func TestSessions(t *testing.T) {
	p := newPlace(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               p.setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "until": until, "client": client, "relay": relay, "json": isJSON,
		},
	})
}

// session is the world around a script.
type session struct {
	l       *lab.Lab
	clients []net.Conn
}

// of returns the session of a script.
func of(ts *testscript.TestScript) *session { return ts.Value("session").(*session) }

func (p *place) setup(env *testscript.Env) error {
	t := env.T().(testing.TB)
	l := lab.New(t)
	home := filepath.Join(p.dir, filepath.Base(env.WorkDir))
	target := lab.StartTarget(t, lab.Echo).Address()
	_, echo, _ := net.SplitHostPort(target)
	vars := map[string]string{
		"HOME": home, "USER": "newcomer", "LANG": "C.UTF-8", "TERM": "dumb", "XDG_RUNTIME_DIR": filepath.Join(home, "run"),
		"PATH": p.bin + string(os.PathListSeparator) + env.Getenv("PATH"),
		"PORT": strconv.Itoa(l.Relay.Port), "WHO": l.Account.User, "ECHO": echo, "NOBODY": strconv.Itoa(lab.FreePort(t)),
	}
	for i, first := 0, lab.FreePorts(t, 4); i < 4; i++ {
		vars[fmt.Sprint("P", i+1)] = strconv.Itoa(first + i)
	}
	for name, value := range vars {
		env.Setenv(name, value)
	}
	for _, dir := range []string{".ssh", "run"} {
		if err := os.MkdirAll(filepath.Join(home, dir), 0o700); err != nil {
			return err
		}
	}
	key, err := os.ReadFile(l.Account.Path("id_ed25519"))
	if err != nil {
		return err
	}
	known := fmt.Sprintf("[127.0.0.1]:%d %s", l.Relay.Port, ssh.MarshalAuthorizedKey(l.Server.HostKey))
	lab.WriteFile(t, filepath.Join(home, ".ssh/id_ed25519"), string(key))
	lab.WriteFile(t, filepath.Join(home, ".ssh/known_hosts"), known)
	if err := furnish(env.WorkDir, home, vars); err != nil {
		return err
	}
	s := &session{l: l}
	env.Values["session"] = s
	env.Defer(s.leave)
	env.Cd = home
	return own(home)
}

// furnish writes a script's files into the home.
func furnish(from, home string, vars map[string]string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		to := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		return os.WriteFile(to, []byte(os.Expand(string(text), func(name string) string { return vars[name] })), 0o600)
	})
}

// leave closes what the session has open.
func (s *session) leave() {
	for _, c := range s.clients {
		c.Close()
	}
	s.clients = nil
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND")
	}
	code := 0
	var ended *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &ended) {
		code = ended.ExitCode()
	} else {
		ts.Check(err)
	}
	if args[0] != strconv.Itoa(code) {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until PATTERN COMMAND")
	}
	pattern := regexp.MustCompile("(?m)" + args[0])
	if !lab.Within(lab.Patience, func() bool {
		ts.Exec(args[1], args[2:]...) // which may fail until then
		return pattern.MatchString(ts.ReadFile("stdout") + ts.ReadFile("stderr"))
	}) {
		ts.Fatalf("it never says %q", args[0])
	}
}

func client(ts *testscript.TestScript, neg bool, args []string) {
	s := of(ts)
	switch {
	case len(args) == 1 && args[0] == "close":
		s.leave()
	case len(args) == 2:
		conn, err := net.Dial("tcp", "127.0.0.1:"+args[1])
		ts.Check(err)
		s.clients = append(s.clients, conn)
		if args[0] == "held" {
			return
		}
		if err := lab.Exchange(conn, "hello", lab.Patience); (err != nil) != neg {
			ts.Fatalf("the client: %v", err)
		}
	default:
		ts.Fatalf("usage: client open|held PORT, client close")
	}
}

func relay(ts *testscript.TestScript, neg bool, args []string) {
	r := of(ts).l.Relay
	do := map[string]func(){"shut": r.Shut, "cut": r.Cut, "open": r.Open}
	if neg || len(args) != 1 || do[args[0]] == nil {
		ts.Fatalf("usage: relay shut|cut|open")
	}
	do[args[0]]()
}

func isJSON(ts *testscript.TestScript, neg bool, args []string) {
	text := ts.ReadFile("stderr")
	if neg || len(args) > 0 || text == "" {
		ts.Fatalf("usage: json, behind a command that has said something")
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "{") || !json.Valid([]byte(line)) {
			ts.Fatalf("no JSON: %s", line)
		}
	}
}
