package sshconn

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/auth"
	"github.com/tunneld/tunneld/tunnel/fault"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// monologue is the connection to a server that has said everything already and does not listen.
type monologue struct{ *bytes.Reader }

func (monologue) Write(p []byte) (int, error) { return len(p), nil }

func (monologue) Close() error { return nil }

func (monologue) LocalAddr() net.Addr { return tcpAddr(nil) }

func (monologue) RemoteAddr() net.Addr { return tcpAddr(nil) }

func (monologue) SetDeadline(time.Time) error { return nil }

func (monologue) SetReadDeadline(time.Time) error { return nil }

func (monologue) SetWriteDeadline(time.Time) error { return nil }

// plainPacket is a packet before the first key exchange (RFC 4253 §6).
func plainPacket(payload []byte) []byte {
	padding := 8 - (5+len(payload))%8 + 4
	packet := binary.BigEndian.AppendUint32(nil, uint32(1+len(payload)+padding))
	packet = append(append(packet, byte(padding)), payload...)
	return append(packet, make([]byte, padding)...)
}

// kexInit is a server's offer of algorithms (RFC 4253 §7.1), ten lists.
func kexInit(lists ...string) []byte {
	payload := append([]byte{20}, make([]byte, 16)...)
	for i := range 10 {
		list := ""
		if i < len(lists) {
			list = lists[i]
		}
		payload = append(payload, ssh.Marshal(struct{ List string }{list})...)
	}
	return plainPacket(append(payload, 0, 0, 0, 0, 0))
}

// FuzzFirstWords lets a server say anything instead of exchanging keys: nobody is let in, it takes no time, and neither the
// error, its hint nor a step of `tunneld check` has what could change the meaning of a line.
func FuzzFirstWords(f *testing.F) {
	const version = "SSH-2.0-OpenSSH_9.2\r\n"
	disconnect := ssh.Marshal(struct {
		Reason   uint32 `sshtype:"1"`
		Message  string
		Language string
	}{2, "Too many \x1b[2J\ntunneld: hint: type this", ""})
	for _, words := range []string{
		"", "SSH-2.0-x", version, "hello\r\nworld\r\n" + version, "HTTP/1.1 400 Bad Request\r\n\r\n", "Exceeded MaxStartups\r\n", "SSH-1.5-x\r\n",
		"Not allowed at this time\r\n", "\x1b[2J\x1b]0;x\a\r\n", strings.Repeat("x", 70000), "SSH-2.0-\x1b[31m\xff\u202e\r\n", "220 ftp\n" + strings.Repeat("a\n", 2000),
		version + string(plainPacket(disconnect)), version + "\xff\xff\xff\xff", version + "\x00\x00\x00\x01\x00", version + "\x00\x00\x80\x00\x04" + strings.Repeat("x", 40000),
		version + string(kexInit("a\x1b[2J", "b\n", "c")), version + string(kexInit("curve25519-sha256", "ssh-ed25519", "aes128-ctr", "aes128-ctr", "hmac-sha2-256", "hmac-sha2-256")),
		version + string(kexInit("curve25519-sha256", "\u009b31m,tunneld: hint: x")), version + string(plainPacket([]byte{2, 0, 0, 0, 0})) + string(kexInit()),
		version + string(kexInit("ext-info-s,kex-strict-s-v00@openssh.com,curve25519-sha256", "ssh-ed25519", "none", "none", "none", "none", "none", "none")),
	} {
		f.Add([]byte(words))
	}
	o := &config.Options{HostName: "host.example", Port: 22, User: "bob", StrictHostKeyChecking: config.StrictYes, UpdateHostKeys: config.UpdateNo}
	o.ConnectTimeout, o.HostKeyAlgorithms = 5*time.Second, sshtest.Defaults(f).HostKeyAlgorithms
	f.Fuzz(func(t *testing.T, words []byte) {
		if len(words) > 256<<10 {
			t.Skip()
		}
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		d := &Dialer{Credentials: auth.NewCredentials(nil, logger), Log: logger, Trace: func(s Step) {
			sshtest.PlainText(t, s.Name+s.Host+s.Detail)
			sshtest.Plain(t, s.Err)
		}}
		settings, err := algorithms(o, logger)
		if err != nil {
			t.Fatal(err)
		}
		ctx, limit := withDeadline(t.Context(), o.ConnectTimeout)
		defer limit.stop()
		a := newAttempt(d, limit, o)
		a.link.Wire = NewWire(monologue{bytes.NewReader(words)})
		defer a.link.Close()
		err = a.login(ctx, settings)
		if err == nil {
			t.Fatal("let in by a server that has not proved its key")
		}
		if ctx.Err() != nil {
			t.Fatal("a server that has said all kept the attempt going until its deadline")
		}
		sshtest.Plain(t, err)
		sshtest.PlainText(t, fault.HintOf(err))
		if len(err.Error()) > 16<<10 || log.Len() > 64<<10 {
			t.Errorf("the error has %d bytes, the log %d: %.200q", len(err.Error()), log.Len(), err)
		}
		if phase := fault.PhaseOf(err); phase != fault.PhaseHandshake && phase != fault.PhaseHostKey {
			t.Errorf("the phase is %q: %v", phase, err)
		}
	})
}
