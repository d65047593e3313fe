package newcomer

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/integration/document"
	"github.com/tunneld/tunneld/integration/lab"
)

// reader is somebody who has just got an account on a machine of their own, reads the README, and types what stands there. The
// machine is made of namespaces: its password file, its hosts and its ports are not those of the machine that runs the tests.
type reader struct {
	t      *testing.T
	place  *place
	n      *lab.Network
	server *lab.Sshd // at the address of the README
	etc    string    // the files that stand in the place of those in /etc
	home   string
	page   *document.Page
}

const (
	readmeServer = "203.0.113.7"
	intranet     = "the intranet says hello"
)

func newReader(t *testing.T) *reader {
	t.Helper()
	p := newPlace(t)
	lab.Need(t, "unshare", "curl", "ssh", "bash")
	r := &reader{t: t, place: p, n: lab.NewNetwork(t), etc: filepath.Join(p.dir, "etc"), home: filepath.Join(p.dir, "home"), page: document.Read(t, "README.md")}
	r.n.In(r.n.Server, "ip", "address", "add", readmeServer+"/32", "dev", "lo")
	r.n.In(r.n.Client, "ip", "route", "add", readmeServer, "via", r.n.Address)
	r.writeEtc()
	r.startServer()
	r.furnish()
	return r
}

// writeEtc knows the new account here, and there those whom the README logs in as.
func (r *reader) writeEtc() {
	r.t.Helper()
	lab.Check(r.t, os.Mkdir(r.etc, 0o755))
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		r.t.Fatal(err)
	}
	text := string(passwd) + fmt.Sprintf("newcomer:x:%d:%[1]d::%s:/bin/bash\n", number, r.home)
	for _, name := range []string{"sshproxy", "bob"} {
		text += name + ":*:0:0::/:/bin/sh\n" // who may read the keys of the test
	}
	local := "127.0.0.1 localhost\n::1 localhost ip6-localhost\n"
	for name, text := range map[string]string{
		"passwd": text, "hosts": local + readmeServer + " example.org\n", "hosts-there": local + "127.0.0.1 intranet db web inner\n",
	} {
		lab.Check(r.t, os.WriteFile(filepath.Join(r.etc, name), []byte(text), 0o644))
	}
}

// startServer runs an sshd, and behind it an intranet with a web server and a database.
func (r *reader) startServer() {
	r.t.Helper()
	r.server = lab.NewSSHD(r.t, "ListenAddress "+readmeServer+":2222", "ListenAddress 127.0.0.1:22", "Subsystem sftp internal-sftp")
	lab.Check(r.t, os.Mkdir(filepath.Join(r.etc, "srv"), 0o755))
	r.server.Prefix = []string{"ip", "netns", "exec", r.n.Server, "unshare", "--mount", "sh", "-c",
		`mount --bind "$0/passwd" /etc/passwd && mount --bind "$0/hosts-there" /etc/hosts && mount --bind "$0/srv" /srv && exec "$@"`, r.etc}
	r.server.Start()
	web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, intranet) })}
	listener := r.n.ListenAt(r.n.Server, "127.0.0.1:80")
	go web.Serve(listener)
	r.t.Cleanup(func() { web.Close() })
	lab.StartTargetOn(r.t, r.n.ListenAt(r.n.Server, "127.0.0.1:5432"), lab.Echo)
	lab.Eventually(r.t, lab.Patience, "sshd listens", func() bool {
		conn, err := r.n.Dial(readmeServer + ":2222")
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// furnish writes the entry "as you have it for ssh or autossh today", word by word, and two more that the README speaks of.
func (r *reader) furnish() {
	r.t.Helper()
	entry := r.page.Block("An entry as you have it for ssh or autossh today:")
	more := fmt.Sprintf("\nHost db\n    LocalForward 5433 db:5432\nHost web\n    LocalForward 8081 web:80\nHost db web\n    HostName %s\n    Port 2222\n    User bob\n    IdentityFile ~/.ssh/sshproxy-hello/id_rsa\n", readmeServer)
	keys := filepath.Join(r.home, ".ssh/sshproxy-hello")
	lab.Check(r.t, os.MkdirAll(keys, 0o700))
	r.server.Authorize(lab.WriteKey(r.t, filepath.Join(keys, "id_rsa")))
	key := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(r.server.HostKey)))
	lab.WriteFile(r.t, filepath.Join(r.home, ".ssh/config"), strings.Join(entry, "\n")+"\n"+more)
	lab.WriteFile(r.t, filepath.Join(r.home, ".ssh/known_hosts"), fmt.Sprintf("[%s]:2222,[example.org]:2222,inner %s\n", readmeServer, key))
	lab.Check(r.t, os.Mkdir(filepath.Join(r.home, "run"), 0o700))
	lab.Check(r.t, os.Chmod(r.home, 0o755))
	lab.Check(r.t, own(r.home))
}

// words are a command that the reader types into a shell.
func (r *reader) words(typed string) []string {
	return []string{"ip", "netns", "exec", r.n.Client, "unshare", "--mount", "sh", "-c",
		`mount --bind "$0/passwd" /etc/passwd && mount --bind "$0/hosts" /etc/hosts && cd "$1" && shift && exec "$@"`, r.etc, r.home,
		"setpriv", "--reuid", fmt.Sprint(number), "--regid", fmt.Sprint(number), "--clear-groups", "--inh-caps=-all",
		"env", "-i", "HOME=" + r.home, "USER=newcomer", "LOGNAME=newcomer", "XDG_RUNTIME_DIR=" + r.home + "/run", "TERM=dumb", "NO_COLOR=1",
		"PATH=" + filepath.Dir(r.place.program()) + ":/usr/local/bin:/usr/bin:/bin", "bash", "-c", "exec " + typed}
}

// starts begins a command that goes on.
func (r *reader) starts(typed string) *lab.Child {
	r.t.Helper()
	words := r.words(typed)
	return lab.StartChild(r.t, typed, exec.Command(words[0], words[1:]...))
}

// types runs a command that has to end with 0 and to say what matches.
func (r *reader) types(typed, says string) {
	r.t.Helper()
	c := r.starts(typed)
	if code := c.WaitExit(r.t, 2*lab.Patience); code != 0 || !regexp.MustCompile(says).MatchString(c.Text()) {
		r.t.Errorf("$ %s\n%sexit code %d, want 0 and %q", typed, c.Text(), code, says)
	}
}

// echoes sends something through a port of the reader's machine to the database and back.
func (r *reader) echoes(port string) {
	r.t.Helper()
	conn, err := r.n.Dial(net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		r.t.Error(err)
		return
	}
	defer conn.Close()
	lab.Check(r.t, lab.Exchange(conn, "hello", lab.Patience))
}

// interrupts is Ctrl-C.
func (r *reader) interrupts(c *lab.Child) {
	r.t.Helper()
	c.Signal(syscall.SIGINT)
	if code := c.WaitExit(r.t, lab.Patience); code != 0 {
		r.t.Errorf("after Ctrl-C: exit code %d, want 0:\n%s", code, c.Text())
	}
}

// Every command that the README's first screens tell people to type does what it says, typed by an account that is new.
func TestReadmeIsFollowed(t *testing.T) {
	t.Parallel()
	r := newReader(t)
	r.followSession()
	r.followBackground()
	r.followTable()
}

// followBackground types what is shown of -f.
func (r *reader) followBackground() {
	r.t.Helper()
	lines := document.Read(r.t, "docs/systemd.md").Block("`ExitOnForwardFailure yes` it waits")
	typed := strings.TrimPrefix(lines[0], "$ ")
	number := regexp.MustCompile(`process \d+`)
	r.types(typed, "(?m)^"+number.ReplaceAllLiteralString(regexp.QuoteMeta(strings.Join(lines[1:], "\n")), `process \d+`)+`\n$`)
	r.echoes("5433")
	r.types("tunneld log db", "INF connected")
	r.types("tunneld down db", "db: stopped")
}

// followSession types the session at the top, and gets what stands there.
func (r *reader) followSession() {
	t := r.t
	t.Helper()
	var m *lab.Terminal
	var before string
	for _, line := range r.page.Block("keeps them open.") {
		typed, isTyped := strings.CutPrefix(line, "$ ")
		switch {
		case !isTyped:
			pattern := sample(line)
			if !lab.Within(lab.Patience, func() bool { return pattern.MatchString(m.Shown()) }) {
				t.Errorf("$ %s\n%s\nwant, as the README has it\n%s", before, m.Shown(), line)
			}
		case strings.HasPrefix(typed, "tunneld up "):
			words := r.words(typed)
			m = lab.NewTerminal(t, 200, 40, nil)
			m.Start(exec.Command(words[0], words[1:]...))
		case strings.HasPrefix(typed, "curl "):
			r.types(strings.Replace(typed, "curl ", "curl -sS ", 1), intranet)
		default:
			t.Errorf("nobody follows %q", typed)
		}
		before = typed
	}
	m.Type("\x03")
	if code := m.End(); code != 0 {
		t.Errorf("after Ctrl-C: exit code %d", code)
	}
}

// sample returns a pattern for a line of the README: other times, and another duration.
func sample(line string) *regexp.Regexp {
	text := regexp.QuoteMeta(line)
	text = regexp.MustCompile(`\d\d:\d\d:\d\d`).ReplaceAllLiteralString(text, `\d\d:\d\d:\d\d`)
	text = regexp.MustCompile(`took=\w+`).ReplaceAllLiteralString(text, `took=\S+`)
	return regexp.MustCompile(`(?m)^` + text + `\r?$`)
}

// followTable types what stands behind "you type", in its order.
func (r *reader) followTable() {
	t := r.t
	t.Helper()
	var several *lab.Child
	inForeground := func(typed, up string, look func()) *lab.Child {
		c := r.starts(typed)
		lab.Eventually(t, lab.Patience, typed+" is up", func() bool {
			return strings.Count(c.Text(), "msg=connected") >= len(strings.Fields(up)) || !c.Running()
		})
		look()
		return c
	}
	follow := map[string]func(typed string){
		"tunneld up sshproxy-hello": func(typed string) {
			r.interrupts(inForeground(typed, "sshproxy-hello", func() { r.types("curl -sS -x socks5h://localhost:1080 http://intranet/", intranet) }))
		},
		"tunneld up -f sshproxy-hello": func(typed string) {
			r.types(typed, "sshproxy-hello in the background, process ")
			r.types("curl -sS -p -x http://localhost:1080 http://intranet/", intranet)
			r.types("tunneld down sshproxy-hello", "sshproxy-hello: stopped")
		},
		"tunneld up db web 'sshproxy-*'": func(typed string) {
			several = inForeground(typed, "db web sshproxy-hello", func() {
				r.echoes("5433")
				r.types("curl -sS http://localhost:8081/", intranet)
			})
		},
		"tunneld up bob@example.org -p 2222 -L 5432:db:5432": func(typed string) {
			r.interrupts(inForeground(typed+" -i .ssh/sshproxy-hello/id_rsa", "bob", func() { r.echoes("5432") }))
		},
		"tunneld config sshproxy-hello":  func(typed string) { r.types(typed, `(?m)^hostname 203\.0\.113\.7\n(.*\n)*port 2222\n`) },
		"tunneld explain sshproxy-hello": func(typed string) { r.types(typed, `(?m)^  -D  .*\.ssh/config:8$`) },
		"tunneld check sshproxy-hello":   func(typed string) { r.types(typed, `(?m)^ok    authentication `) },
		"tunneld status": func(typed string) {
			r.types(typed, `(?m)^db · up \d`)
			r.types(typed+" --json", `"name": "db"`)
			watch := r.starts(typed + " --watch")
			lab.Eventually(t, lab.Patience, "it is shown twice", func() bool { return strings.Count(watch.Text(), "db · up") >= 2 })
			r.interrupts(watch)
		},
		"tunneld list": func(typed string) { r.types(typed, `(?m)^sshproxy-hello +open +up .* -D localhost:1080$`) },
		"tunneld log db": func(typed string) {
			r.types(typed, `(?m)^\d\d:\d\d:\d\d INF connected`)
			follower := r.starts(typed + " -f")
			lab.Eventually(t, lab.Patience, "what there was", func() bool { return strings.Contains(follower.Text(), "connected") })
			r.interrupts(follower)
		},
		"tunneld reconnect db": func(typed string) { r.types(typed, `^db: reconnected in `) },
		"tunneld reload db":    func(typed string) { r.types(typed, `(?m)^db: reloaded in .*: nothing has changed$`) },
		"tunneld forward db -L 8080:web:80": func(typed string) {
			r.types(typed, "")
			r.types("curl -sS http://localhost:8080/", intranet)
			r.types(strings.Replace(typed, "forward", "cancel", 1), "")
		},
		"ProxyCommand tunneld connect db %h %p": func(typed string) {
			r.types(`ssh -i .ssh/sshproxy-hello/id_rsa -p 2222 -o '`+typed+`' bob@`+readmeServer+` echo from behind`, `from behind\n`)
		},
		"tunneld down db": func(typed string) { r.types(typed, `^db: stopped`) },
		"tunneld health":  func(typed string) { r.types(typed, `^$`) },
		"source <(tunneld completion bash)": func(typed string) {
			r.types(`bash -c '`+typed+` && complete -p tunneld'`, `complete .*tunneld`)
		},
	}
	for _, typed := range r.typedInTable() {
		do := follow[typed]
		if do == nil {
			t.Errorf("nobody follows what the README tells people to type: %s", typed)
			continue
		}
		do(typed)
		delete(follow, typed)
	}
	for typed := range follow {
		t.Errorf("the README does not tell people any more to type %s", typed)
	}
	if several != nil {
		r.interrupts(several)
	}
}

// typedInTable returns the commands of the table: what stands in backquotes and is more than an option or a word.
func (r *reader) typedInTable() (list []string) {
	quoted := regexp.MustCompile("`([^`]* ?tunneld [^`]+)`")
	at := slices.Index(r.page.Lines(), "| you want | you type |")
	for _, line := range r.page.Lines()[at+2:] {
		if !strings.HasPrefix(line, "|") {
			break
		}
		for _, found := range quoted.FindAllStringSubmatch(line, -1) {
			list = append(list, found[1])
		}
	}
	return list
}

// "See it work": the demo, from a clone, with Go; and the tests, which are too many to be run once more.
func TestReadmesDemo(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("links the program")
	}
	p := newPlace(t)
	r := &reader{t: t, place: p, page: document.Read(t, "README.md")}
	home := filepath.Join(p.dir, "home")
	lab.Check(t, os.Mkdir(home, 0o700))
	want := []string{"go run ./cmd/tunneld demo", "make test"}
	if got := r.page.Block("With Go installed"); !slices.Equal(got, want) {
		t.Fatalf("the README tells people to type %q, this test follows %q", got, want)
	}
	// Whoever runs the tests has Go's caches, and lends them: the new user is another one within a user namespace alone.
	cache, err := exec.Command("go", "env", "GOCACHE", "GOMODCACHE", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	dirs := strings.Fields(string(cache))
	types := func(typed string) (string, int) {
		cmd := exec.Command("unshare", "--user", fmt.Sprint("--map-user=", number), fmt.Sprint("--map-group=", number), "env", "-i",
			"HOME="+home, "PATH="+dirs[2]+"/bin:/usr/bin:/bin", "GOCACHE="+dirs[0], "GOMODCACHE="+dirs[1], "GOTOOLCHAIN=local", "sh", "-c", typed)
		cmd.Dir = "../.."
		c := lab.StartChild(t, typed, cmd)
		code := c.WaitExit(t, 8*lab.Patience)
		return c.Text(), code
	}
	if said, code := types("id -u"); code != 0 || strings.TrimSpace(said) != fmt.Sprint(number) {
		t.Skipf("needs a user namespace: %s", said)
	}
	said, code := types(want[0])
	for _, what := range []string{"-L", "-R", "-D", "cut", "done"} {
		if code != 0 || !strings.Contains(said, what) {
			t.Errorf("$ %s\n%sexit code %d, want 0 and %q", want[0], said, code, what)
		}
	}
	for _, file := range []string{".ssh", ".tunneld", ".config/tunneld"} {
		if _, err := os.Lstat(filepath.Join(home, file)); err == nil {
			t.Errorf("the demo has made %s", file)
		}
	}
	if said, code := types("make -n test"); code != 0 || !strings.Contains(said, "./integration/...") || !strings.Contains(said, "tools.sh") {
		t.Errorf("$ make -n test\n%sexit code %d", said, code)
	}
	if said, code := types("make tools"); code != 0 || strings.Contains(said, "installing") {
		t.Errorf("$ make tools, by somebody who is not root\n%sexit code %d", said, code)
	}
}

// What the README has people install is this module.
func TestReadmeInstallsThisModule(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^    go install (\S+)/(cmd/\S+)@latest$`).FindStringSubmatch(string(text))
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if found == nil || !strings.HasPrefix(string(mod), "module "+found[1]+"\n") {
		t.Fatalf("go install of %q, but the module begins with %.60q", found, mod)
	}
	if _, err := os.Stat(filepath.Join("../..", found[2], "main.go")); err != nil {
		t.Error(err)
	}
}
