package newcomer

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/integration/document"
	"github.com/tunneld/tunneld/integration/lab"
)

// adds writes what a page tells people to write into their configuration, before all that stands there.
func (r *reader) adds(lines []string) {
	r.t.Helper()
	path := filepath.Join(r.home, ".ssh/config")
	text, err := os.ReadFile(path)
	if err != nil {
		r.t.Fatal(err)
	}
	lab.WriteFile(r.t, path, strings.Join(lines, "\n")+"\n\n"+string(text))
	lab.Check(r.t, own(r.home))
}

// says returns what types a command as it stands, which has to end with 0 and to say what matches.
func (r *reader) says(what string) func(string) {
	return func(typed string) { r.t.Helper(); r.types(typed, what) }
}

// all runs one thing after the other.
func all(do ...func(string)) func(string) {
	return func(typed string) {
		for _, one := range do {
			one(typed)
		}
	}
}

// echo sends something through a port.
func (r *reader) echo(port string) func(string) {
	return func(string) { r.t.Helper(); r.echoes(port) }
}

func (r *reader) fetch(way string) func(string) {
	return func(string) { r.t.Helper(); r.types("curl -sS "+way, intranet) }
}

func TestAutosshPageIsFollowed(t *testing.T) {
	t.Parallel()
	r := newReader(t)
	lab.Check(t, os.Symlink("tunneld", filepath.Join(filepath.Dir(r.place.program()), "autossh")))
	document.Read(t, "docs/autossh.md").Follow(map[string]func(string){
		"autossh -M 20000 -f -N sshproxy-hello": all(r.says(""), func(string) {
			lab.Eventually(t, lab.Patience, "it is served", func() bool {
				conn, err := r.n.Dial("127.0.0.1:1080")
				if err == nil {
					conn.Close()
				}
				return err == nil
			})
		}, r.fetch("-x socks5h://localhost:1080 http://intranet/")),
		"tunneld status sshproxy-hello":    r.says(`(?m)^sshproxy-hello · up `),
		"tunneld down sshproxy-hello":      r.says(`(?m)^sshproxy-hello: stopped`),
		"tunneld up -f sshproxy-hello":     all(r.says("in the background"), r.fetch("-x socks5h://localhost:1080 http://intranet/")),
		"tunneld log sshproxy-hello":       r.says("INF connected"),
		"tunneld reconnect sshproxy-hello": r.says("sshproxy-hello: reconnected in "),
	})
}

func TestJumpHostsPageIsFollowed(t *testing.T) {
	t.Parallel()
	r := newReader(t)
	p := document.Read(t, "docs/jump-hosts.md")
	r.adds(p.Block("A server behind another one"))
	p.Follow(map[string]func(string){
		"tunneld check inner":  r.says(`(?m)^ok    jump +.*bastion|(?m)^ok    jump `),
		"tunneld up -f inner":  all(r.says("in the background"), r.echo("5434")),
		"tunneld status inner": r.says(`(?m)^inner · up `),
		"tunneld down inner":   r.says(`inner: stopped`),
		"tunneld up -f -J bastion bob@inner -L 5435:localhost:5432 --name once": all(r.says("once in the background"), r.echo("5435")),
		"tunneld down once": r.says(`once: stopped`),
	})
}

func TestManyTunnelsPageIsFollowed(t *testing.T) {
	t.Parallel()
	r := newReader(t)
	p := document.Read(t, "docs/many-tunnels.md")
	r.adds(p.Block("## What the aliases have in common"))
	p.Follow(map[string]func(string){
		"tunneld up -f db web 'sshproxy-*'": all(r.says("db, web and sshproxy-hello in the background|in the background"), r.echo("5433"),
			r.fetch("http://localhost:8081/"), r.fetch("-x socks5h://localhost:1080 http://intranet/")),
		"tunneld list":       r.says(`(?m)^web +open +up `),
		"tunneld status":     r.says(`(?m)^web · up `),
		"tunneld health":     r.says(`^$`),
		"tunneld reload '*'": r.says(`(?m)^web: reloaded in .*: nothing has changed$`),
		"tunneld down '*'":   r.says(`(?m)^web: stopped`),
	})
}

func TestMasterPageIsFollowed(t *testing.T) {
	t.Parallel()
	r := newReader(t)
	lab.Need(t, "git", "scp", "rsync")
	repository := filepath.Join(r.etc, "srv", "repository")
	for _, words := range [][]string{{"init", "-q", "--bare", repository}, {"-C", repository, "config", "safe.directory", "*"}} {
		if out, err := exec.Command("git", words...).CombinedOutput(); err != nil {
			t.Fatalf("git: %v: %s", err, out)
		}
	}
	p := document.Read(t, "docs/master.md")
	r.adds(p.Block("With these lines in the alias"))
	r.types("tunneld up -f db", "in the background")
	hasFile := func(name string) func(string) {
		return func(string) {
			if _, err := os.Stat(filepath.Join(r.home, name)); err != nil {
				t.Error(err)
			}
		}
	}
	p.Follow(map[string]func(string){
		"ssh db uname -n":                      r.says(`\S`),
		"scp db:/etc/hostname .":               all(r.says(""), hasFile("hostname")),
		"git clone -q ssh://db/srv/repository": all(r.says(""), hasFile("repository/.git")),
		"rsync -a db:/etc/hostname copied":     all(r.says(""), hasFile("copied")),
		"ssh -O check db":                      r.says("Master running"),
		"tunneld forward db -L 8080:web:80":    all(r.says(""), r.fetch("http://localhost:8080/")),
		"tunneld cancel db -L 8080:web:80":     r.says(""),
		"ssh -o 'ProxyCommand=tunneld connect db %h %p' bob@inner uname -n": func(typed string) {
			r.types(strings.Replace(typed, "ssh ", "ssh -i .ssh/sshproxy-hello/id_rsa ", 1), `\S`)
		},
	})
	log, err := os.ReadFile(r.server.Path("log"))
	if logins := strings.Count(string(log), "Accepted publickey for bob"); err != nil || logins != 2 {
		t.Errorf("%d logins, want that of the tunnel and that of the host behind it: %v", logins, err)
	}
	r.types("tunneld down db", "db: stopped")
}

func TestSettingsPageIsFollowed(t *testing.T) {
	t.Parallel()
	r := newReader(t)
	document.Read(t, "docs/settings.md").Follow(map[string]func(string){
		"tunneld explain sshproxy-hello": r.says(`(?m)^  -D  .*\.ssh/config:8$`),
		"tunneld config sshproxy-hello":  r.says(`(?m)^tunneldhold 30s$`),
	})
}

func TestOperatingPageIsFollowed(t *testing.T) {
	t.Parallel()
	r := newReader(t)
	document.Read(t, "docs/operating.md").Follow(map[string]func(string){
		"tunneld up -f db --listen 127.0.0.1:9100": all(r.says("in the background"), r.echo("5433")),
		"tunneld status":                        r.says(`(?m)^db · up `),
		"tunneld status --json":                 r.says(`"name": "db"`),
		"tunneld log db":                        r.says("INF connected"),
		"curl -s http://127.0.0.1:9100/readyz":  r.says(""),
		"curl -s http://127.0.0.1:9100/metrics": r.says(`(?m)^tunneld_up\{tunnel="db"\} 1$`),
		`curl -s --unix-socket "$XDG_RUNTIME_DIR/tunneld/db.sock" http://tunneld/status`: r.says(`"name": ?"db"`),
		"tunneld check db": r.says(`(?m)^ok    authentication `),
	})
	r.types("tunneld down db", "db: stopped")
}

func TestSecurityPageIsFollowed(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	document.Read(t, "SECURITY.md").Follow(map[string]func(string){
		"tunneld version": func(string) {
			if out, err := exec.Command(p.program(), "version").Output(); err != nil || !strings.HasPrefix(string(out), "tunneld ") {
				t.Errorf("%s, %v", out, err)
			}
		},
	})
}
