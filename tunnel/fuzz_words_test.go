package tunnel

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
)

// monologue is the connection to a server that has said everything already and does not listen.
type monologue struct{ *bytes.Reader }

func (monologue) Write(p []byte) (int, error)      { return len(p), nil }
func (monologue) Close() error                     { return nil }
func (monologue) LocalAddr() net.Addr              { return tcpAddr(nil) }
func (monologue) RemoteAddr() net.Addr             { return tcpAddr(nil) }
func (monologue) SetDeadline(time.Time) error      { return nil }
func (monologue) SetReadDeadline(time.Time) error  { return nil }
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
		payload = append(payload, wireString(list)...)
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
	o := hostOptions(22, writeLines(f))
	o.ConnectTimeout = 5 * time.Second
	f.Fuzz(func(t *testing.T, words []byte) {
		if len(words) > 256<<10 {
			t.Skip()
		}
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		d := &Dialer{Credentials: NewCredentials(nil, logger), Log: logger, Trace: func(s Step) {
			isPlain(t, s.Name+s.Host+s.Detail)
			speaksPlainly(t, s.Err)
		}}
		settings, err := algorithms(o, logger)
		if err != nil {
			t.Fatal(err)
		}
		ctx, limit := withDeadline(t.Context(), o.ConnectTimeout)
		defer limit.stop()
		l := &link{info: Server{User: o.User, Host: o.HostName, Port: o.Port}, wire: newWire(monologue{bytes.NewReader(words)})}
		defer l.close()
		err = d.login(ctx, limit, o, l, settings, logger)
		if err == nil {
			t.Fatal("let in by a server that has not proved its key")
		}
		if ctx.Err() != nil {
			t.Fatal("a server that has said all kept the attempt going until its deadline")
		}
		speaksPlainly(t, err)
		isPlain(t, HintOf(err))
		if len(err.Error()) > 16<<10 || log.Len() > 64<<10 {
			t.Errorf("the error has %d bytes, the log %d: %.200q", len(err.Error()), log.Len(), err)
		}
		if phase := PhaseOf(err); phase != PhaseHandshake && phase != PhaseHostKey {
			t.Errorf("the phase is %q: %v", phase, err)
		}
	})
}

// hearing is a person who answers everything and notes what was shown.
type hearing struct{ shown *[]string }

func (h hearing) Secret(_ context.Context, prompt string) (string, error) {
	*h.shown = append(*h.shown, prompt)
	return "answer", nil
}

func (h hearing) Confirm(_ context.Context, prompt string) (bool, error) {
	*h.shown = append(*h.shown, prompt)
	return false, nil
}

// FuzzLoginWords takes what a server says during authentication: its banner, its questions, the methods it allows, and the
// reason for which it hangs up.
func FuzzLoginWords(f *testing.F) {
	for _, text := range []string{
		"Password: ", "\x1b[2J\u202eevil", "a\nb\tc\r\n", "\xff\xfe", "\u009b31m", strings.Repeat("x", 3000), "publickey,\x1b]0;x\a,password", "x\ntunneld: hint: y",
	} {
		f.Add(text, uint32(2))
		f.Add(text, uint32(14))
	}
	o := hostOptions(22, writeLines(f))
	o.NumberOfPasswordPrompts, o.KbdInteractiveAuthentication = 3, true
	f.Fuzz(func(t *testing.T, text string, reason uint32) {
		var log bytes.Buffer
		var shown []string
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		a, err := NewCredentials(hearing{&shown}, logger).begin(t.Context(), o, logger)
		if err != nil {
			t.Fatal(err)
		}
		defer a.close()
		if err := a.banner(text); err != nil {
			t.Fatal(err)
		}
		if answers, err := a.challenge(text, text, []string{text, "again"}, []bool{false, true}); err != nil || len(answers) != 2 {
			t.Fatalf("%q was answered with %q, %v", text, answers, err)
		}
		for _, prompt := range shown {
			if strings.ContainsFunc(prompt, func(r rune) bool {
				return r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r))
			}) {
				t.Errorf("a person was shown %q", prompt)
			}
		}
		a.allowed = strings.Split(text, ",")
		said := fmt.Errorf("ssh: handshake failed: %w", fmt.Errorf("ssh: disconnect, reason %d: %q", reason, text))
		for _, end := range []error{said, errRefused, errors.New("x")} {
			err := a.failure(end)
			speaksPlainly(t, err)
			isPlain(t, HintOf(err))
		}
		if number, _, ok := disconnectReason(said); !ok || uint32(number) != reason {
			t.Errorf("reason %d was read as %d, %v", reason, number, ok)
		}
		for line := range strings.Lines(log.String()) {
			isPlain(t, strings.TrimSuffix(line, "\n"))
		}
	})
}

// FuzzSpec writes forwards as a person types them.
func FuzzSpec(f *testing.F) {
	f.Add("h", 80, "", "db", 5432)
	f.Add("::1", 1, "", "2001:db8::1", 2)
	f.Add("", 1, "/run/a.sock", "*", 2)
	f.Fuzz(func(t *testing.T, listen string, port int, path, target string, targetPort int) {
		if port < 1 || port > 65535 || targetPort < 1 || targetPort > 65535 {
			t.Skip()
		}
		for _, text := range []string{listen, path, target} {
			if strings.ContainsAny(text, "\\[]$ \t\n\v\f\r") || len(text) > 100 {
				t.Skip() // does not come out of a specification without brackets and backslashes
			}
		}
		if strings.Contains(listen+target, "/") || target == "" || path != "" && (!strings.Contains(path, "/") || strings.Contains(path, ":")) {
			t.Skip()
		}
		want := config.Forward{
			Kind: config.Local, Listen: config.Endpoint{Host: listen, HostSet: true, Port: port},
			Target: config.Endpoint{Host: target, HostSet: true, Port: targetPort},
		}
		if path != "" {
			want.Listen = config.Endpoint{Path: path}
		}
		letter, text, _ := strings.Cut(Spec(want), " ")
		got, err := config.ParseForward(config.Kind(letter[1]), text)
		if err != nil || got != want {
			t.Errorf("%+v is written %s %s, and read %+v, %v", want, letter, text, got, err)
		}
	})
}

// FuzzPermitted applies a rule of PermitRemoteOpen.
func FuzzPermitted(f *testing.F) {
	f.Add("db:5432", "db", 5432)
	f.Add("*:*", "\x1b", 1)
	f.Add("[::1]:*", "::1", 22)
	f.Add("none", "none", 1)
	f.Add(":", "", 0)
	f.Fuzz(func(t *testing.T, rule, host string, port int) {
		target := config.Endpoint{Host: host, HostSet: true, Port: port}
		if rule == "any" || !permitted([]string{rule}, target) {
			return
		}
		ruleHost, rulePort, err := net.SplitHostPort(rule)
		if err != nil || !slices.Contains([]string{"*", host}, ruleHost) || !slices.Contains([]string{"*", fmt.Sprint(port)}, rulePort) {
			t.Errorf("%q permits %q port %d", rule, host, port)
		}
	})
}
