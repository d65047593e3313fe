package service

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// The units that people have for autossh, as they wrote them.
var autosshUnits = map[string]string{
	"autossh-forking@": `[Unit]
Description=AutoSSH to %i
Wants=network-online.target
After=network-online.target

[Service]
Type=forking
Environment=AUTOSSH_PIDFILE=/run/autossh-%i.pid
Environment=AUTOSSH_GATETIME=0
PIDFile=/run/autossh-%i.pid
ExecStart=/usr/bin/autossh -f -M 0 -N sshproxy-%i
Restart=on-failure
RestartSec=1

[Install]
WantedBy=multi-user.target
`,
	"autossh-simple@": `[Unit]
Description=AutoSSH to %i
After=network.target

[Service]
Environment="AUTOSSH_GATETIME=0"
Environment="AUTOSSH_PIDFILE=/run/autossh-%i.pid"
ExecStart=/usr/bin/autossh -M 0 -N sshproxy-%i
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
`}

const (
	forkingAddress = "127.0.0.1:7010"
	simpleAddress  = "127.0.0.1:7011"
	rcAddress      = "127.0.0.1:7012"
)

// autosshUnitsStay has autossh's units run tunneld by that name.
func (s *service) autosshUnitsStay(t *testing.T) {
	s.Do("ln", "-s", "tunneld", "/usr/bin/autossh")
	s.Do("sh", "-c", "mkdir -p /root/.ssh && cp /var/lib/tunneld/.ssh/id_ed25519 /var/lib/tunneld/.ssh/known_hosts /root/.ssh/")
	s.Write("/root/.ssh/config", s.proxies())
	for name, text := range autosshUnits {
		s.Write("/etc/systemd/system/"+name+".service", text)
	}
	s.Do("systemctl", "daemon-reload")
	s.autosshUnit(t, "autossh-forking@forking", forkingAddress)
	s.autosshUnit(t, "autossh-simple@simple", simpleAddress)
	s.rcLocal(t)
}

// proxies are the aliases of the units.
func (s *service) proxies() (config string) {
	for name, address := range map[string]string{"forking": forkingAddress, "simple": simpleAddress, "rc": rcAddress} {
		config += fmt.Sprintf("Host sshproxy-%s\n    LocalForward %s %s\n", name, address, s.target)
	}
	return config + fmt.Sprintf("Host sshproxy-*\n    HostName 127.0.0.1\n    Port %d\n    User root\n    StrictHostKeyChecking yes\n", s.server.Port)
}

func (s *service) autosshUnit(t *testing.T, unit, address string) {
	_, instance, _ := strings.Cut(unit, "@")
	pidFile := "/run/autossh-" + instance + ".pid"
	running := func(what string) (pid string) {
		t.Helper()
		lab.Eventually(t, lab.Patience, unit+" carries "+what, func() bool { return s.Property(unit, "ActiveState") == "active" && s.Echoes(address) == nil })
		pid = s.Property(unit, "MainPID")
		if written := s.Do("cat", pidFile); written != pid {
			t.Errorf("%s: the main process is %s, and the pid file has %s", what, pid, written)
		}
		if name := s.Do("cat", "/proc/"+pid+"/comm"); name != "autossh" {
			t.Errorf("%s: its name is %s", what, name)
		}
		return pid
	}

	s.Do("systemctl", "enable", "--now", unit)
	first := running("after the start")
	s.server.Kill()
	s.server.Start()
	if pid := running("after the death of the server"); pid != first || s.Property(unit, "NRestarts") != "0" {
		t.Errorf("%s: process %s was %s before the server died", unit, pid, first)
	}
	s.Do("systemctl", "restart", unit)
	if pid := running("after a restart"); pid == first {
		t.Errorf("%s: still process %s", unit, pid)
	}
	s.restarts(unit, func(pid string) { s.Do("sh", "-c", "kill -KILL "+pid) })
	running("after its own death")

	s.Do("systemctl", "disable", "--now", unit)
	if status := s.Property(unit, "ExecMainStatus"); status != "1" {
		t.Errorf("%s was stopped with status %s; autossh's is 1", unit, status)
	}
	if s.Echoes(address) == nil {
		t.Errorf("%s listens after the stop", unit)
	}
	if out := s.Try("ls", pidFile); !strings.Contains(out, "No such file") {
		t.Errorf("the pid file is left: %s", out)
	}
	s.saysToTheJournal(t, first)
}

// saysToTheJournal checks that the messages of a process arrived as autossh's do, by syslog.
func (s *service) saysToTheJournal(t *testing.T, pid string) {
	t.Helper()
	want := map[string]string{"starting ssh (count 1)": "6", "starting ssh (count 2)": "6", "ssh exited with error status 255; restarting ssh": "6"}
	s.Do("journalctl", "--sync")
	for l := range strings.Lines(s.Do("journalctl", "SYSLOG_IDENTIFIER=autossh", "SYSLOG_PID="+pid, "SYSLOG_FACILITY=1", "-o", "json")) {
		var entry struct{ MESSAGE, PRIORITY string }
		lab.Check(t, json.Unmarshal([]byte(l), &entry))
		if want[entry.MESSAGE] == entry.PRIORITY {
			delete(want, entry.MESSAGE)
		}
	}
	for message := range want {
		t.Errorf("the journal has no %q of process %s", message, pid)
	}
}

// rcLocal is a line in /etc/rc.local, which systemd runs as a service.
func (s *service) rcLocal(t *testing.T) {
	s.Do("sh", "-c", "cat /root/.ssh/config >>~bob/.ssh/config")
	s.Write("/etc/rc.local", "#!/bin/sh -e\nsu bob -c 'AUTOSSH_PIDFILE=/tmp/rc.pid autossh -f -M 0 -N sshproxy-rc'\nexit 0\n")
	s.Do("chmod", "+x", "/etc/rc.local")
	s.Do("systemctl", "daemon-reload")
	s.Do("systemctl", "start", "rc-local")
	lab.Check(t, s.Echoes(rcAddress))
	if user := s.Do("sh", "-c", "stat -c %U /proc/$(cat /tmp/rc.pid)"); user != "bob" {
		t.Errorf("it runs as %s", user)
	}
	s.Do("sh", "-c", "kill $(cat /tmp/rc.pid)")
}
