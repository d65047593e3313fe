package service

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/integration/document"
	"github.com/tunneld/tunneld/integration/lab"
)

// pageIsFollowed types what docs/systemd.md tells alice to type, who may use sudo.
func (s *service) pageIsFollowed(t *testing.T) {
	const dbAddress, proxyAddress = "127.0.0.1:7007", "127.0.0.1:7008"
	config := s.config("")
	for alias, address := range map[string]string{"db": dbAddress, "sshproxy-hello": proxyAddress} {
		config += fmt.Sprintf("Host %s\n    LocalForward %s %s\n", alias, address, s.target)
	}
	s.Write("/home/alice/.ssh/config", config)
	s.Write("/usr/bin/sudo", "#!/bin/sh\nexec \"$@\"\n")
	s.Do("sh", "-c", "chmod 755 /usr/bin/sudo; chown -R alice: ~alice/.ssh")
	alice := func(typed string) string {
		return s.Do("runuser", "-u", "alice", "--", "env", "HOME=/home/alice", "XDG_RUNTIME_DIR=/run/user/1000", "sh", "-c", typed)
	}
	root := func(typed string) { s.Do("env", "HOME=/home/alice", "sh", "-c", typed) }
	says := func(what string) func(string) {
		return func(typed string) {
			if out := s.Do("env", "HOME=/home/alice", "sh", "-c", typed); !strings.Contains(out, what) {
				t.Errorf("$ %s\n%s\nwant %q", typed, out, what)
			}
		}
	}
	quietly := func(typed string) { alice(typed) }
	document.Read(t, "docs/systemd.md").Follow(map[string]func(string){
		"tunneld up -f db": func(typed string) {
			alice(typed)
			lab.Check(t, s.Echoes(dbAddress))
			alice("tunneld down db")
		},
		"mkdir -p ~/.config/systemd/user":                               quietly,
		"tunneld unit --user > ~/.config/systemd/user/tunneld@.service": quietly,
		"systemctl --user enable --now tunneld@db":                      quietly,
		"loginctl enable-linger": func(typed string) {
			root(typed + " alice") // who has no session here that logind knows, and no polkit to ask
			lab.Check(t, s.Echoes(dbAddress))
			alice("systemctl --user disable --now tunneld@db")
		},
		"sudo mkdir -p /var/lib/tunneld/.ssh":                                               root,
		"sudo cp ~/.ssh/config ~/.ssh/known_hosts ~/.ssh/id_ed25519 /var/lib/tunneld/.ssh/": root,
		"tunneld unit | sudo tee /etc/systemd/system/tunneld@.service":                      root,
		"sudo systemctl daemon-reload":                                                      root,
		"sudo systemctl enable --now tunneld@sshproxy-hello": func(typed string) {
			root(typed)
			lab.Check(t, s.Echoes(proxyAddress))
		},
		"sudo mkdir -p /etc/systemd/system/tunneld@db.service.d":                                         root,
		"tunneld unit --run-as alice db | sudo tee /etc/systemd/system/tunneld@db.service.d/run-as.conf": root,
		"sudo systemctl restart tunneld@db": func(typed string) {
			root(typed)
			lab.Check(t, s.Echoes(dbAddress))
			if user := s.Do("stat", "-c", "%U", "/proc/"+s.Property("tunneld@db", "MainPID")); user != "alice" {
				t.Errorf("it runs as %q", user)
			}
		},
		"systemctl status tunneld@sshproxy-hello":             says(`Status: "up`),
		"sudo systemctl reload tunneld@sshproxy-hello":        root,
		"sudo journalctl -u tunneld@sshproxy-hello":           says("msg=connected"),
		"sudo tunneld status":                                 says("sshproxy-hello"),
		"sudo systemctl disable --now tunneld@sshproxy-hello": root,
	})
	s.Do("sh", "-c", "systemctl stop tunneld@db; rm -r /usr/bin/sudo /etc/systemd/system/tunneld@db.service.d; systemctl daemon-reload")
}

// testContainersPage types what docs/containers.md says, on an engine that is called docker.
func testContainersPage(t *testing.T, p *lab.Podman) {
	t.Cleanup(func() { p.Try("rm", "--force", "--ignore", "--time", "0", "db") })
	l := lab.New(t)
	home, bin := t.TempDir(), t.TempDir()
	port := lab.FreePort(t)
	target := lab.StartTarget(t, lab.Echo).Address()
	lab.Check(t, os.Rename(l.DotSSH(fmt.Sprintf("LocalForward %d %s\nHost db\n  HostName 127.0.0.1\n  Port %d\n  User %s\n  LocalForward %[1]d %[2]s",
		port, target, l.Relay.Port, l.Account.User)), filepath.Join(home, ".ssh")))
	lab.Check(t, os.Chmod(filepath.Join(home, ".ssh/id_ed25519"), 0o400)) // root's, who runs the container here
	engine := strings.Join(p.Command().Args, " ")
	lab.WriteFile(t, filepath.Join(bin, "docker"), fmt.Sprintf("#!/bin/sh\nif [ \"$1\" = run ]; then shift; set -- run %s \"$@\"; fi\nexec %s \"$@\"\n",
		strings.Join(lab.Limits, " "), engine))
	lab.Check(t, os.Chmod(filepath.Join(bin, "docker"), 0o755))
	types := func(typed string) string {
		cmd := exec.Command("sh", "-c", typed)
		cmd.Dir = "../.."
		cmd.Env = append(os.Environ(), "HOME="+home, "PATH="+bin+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("$ %s\n%s%v", typed, out, err)
		}
		return string(out)
	}
	manifest := func(typed string) { // no cluster is here; integration/kubernetes decodes what would be sent to it
		words := strings.Fields(typed)
		if _, err := os.Stat(filepath.Join("../..", words[len(words)-1])); err != nil {
			t.Errorf("$ %s\n%v", typed, err)
		}
	}
	document.Read(t, "docs/containers.md").Follow(map[string]func(string){
		"docker build -t tunneld .": func(string) { p.Run("tag", lab.Image, "tunneld") }, // it has been built, without a registry
		`docker run -d --name db --network host --read-only --tmpfs /tmp --cap-drop ALL --user "$(id -u):$(id -g)" -v ~/.ssh:/home/tunneld/.ssh:ro tunneld up db`: func(typed string) {
			types(typed)
			lab.Eventually(t, lab.Patience, "bytes through the container's tunnel", func() bool { return echoes(lab.Loopback(port)) })
		},
		"docker exec db /tunneld status": func(typed string) {
			if out := types(typed); !strings.Contains(out, "db · up") {
				t.Errorf("$ %s\n%s", typed, out)
			}
		},
		"docker stop db": func(typed string) { types(typed) },
		"docker buildx build --platform linux/amd64,linux/arm64,linux/arm/v7,linux/riscv64 --build-arg VERSION=v1.2.3 .": func(typed string) {
			// Release builds them all; make cross compiles for them.
			for _, platform := range strings.Split(strings.Fields(typed)[4], ",") {
				if _, found := strings.CutPrefix(platform, "linux/"); !found {
					t.Errorf("platform %q", platform)
				}
			}
		},
		"kubectl create secret generic tunneld-key --from-file=id_ed25519": func(string) {},
		"kubectl kustomize deploy/kustomize":                               manifest,
		"kubectl apply -k deploy/kustomize":                                manifest,
		"kubectl apply -f deploy/kubernetes/sidecar.yaml":                  manifest,
	})
}

// echoes reports whether something that is sent to address comes back.
func echoes(address string) bool {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return false
	}
	defer conn.Close()
	return lab.Exchange(conn, "hello", lab.Patience) == nil
}

// What the page on installing says, in a clone of a person who may use sudo.
func TestInstallPageIsFollowed(t *testing.T) {
	t.Parallel()
	lab.Need(t, "make", "gzip")
	source := lab.CleanCheckout(t)
	if source == "../.." {
		t.Skip("needs a checkout by git: it is built in a copy of it")
	}
	root, bin := t.TempDir(), t.TempDir()
	lab.WriteFile(t, filepath.Join(bin, "sudo"), "#!/bin/sh\nexec \"$@\"\n")
	lab.Check(t, os.Chmod(filepath.Join(bin, "sudo"), 0o755))
	types := func(typed string) string {
		return shell(t, source, "env", "DESTDIR="+root, "PATH="+bin+":"+root+"/usr/local/bin:"+os.Getenv("PATH"), "sh", "-c", typed)
	}
	document.Read(t, "docs/install.md").Follow(map[string]func(string){
		"make": func(typed string) { types(typed) },
		"sudo make install": func(typed string) {
			types(typed)
			if out := types("tunneld version"); !strings.HasPrefix(out, "tunneld ") {
				t.Errorf("version: %s", out)
			}
		},
		"sudo make uninstall": func(typed string) {
			types(typed)
			if left := listing(t, root); len(left) > 0 {
				t.Errorf("uninstall leaves %q", left)
			}
		},
		"tunneld version": func(string) {}, // typed above, while it was there
		"make release-snapshot": func(typed string) { // it takes minutes: CI runs it
			if out := types("make -n release-snapshot"); !strings.Contains(out, "goreleaser release --snapshot") {
				t.Errorf("$ %s\n%s", typed, out)
			}
		},
	})
}
