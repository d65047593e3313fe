package config

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tunneld/tunneld/config/bytesize"
	"github.com/tunneld/tunneld/config/glob"
	"github.com/tunneld/tunneld/config/numeral"
	"github.com/tunneld/tunneld/config/sshpattern"
)

// The targets that feed anything to the parts of this package that read what others wrote. `make fuzz` runs them for long;
// an ordinary test run takes their seeds. What a run found stays in testdata/fuzz.

// speaksPlainly fails where a text that people read could do something to their terminal, or make a line of its own.
func speaksPlainly(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok { // a line for each
		for _, one := range joined.Unwrap() {
			speaksPlainly(t, one)
		}
		return
	}
	for _, r := range err.Error() {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			t.Fatalf("an error has %q in it: %q", r, err)
		}
	}
}

// FuzzForward reads a forward as -L, -R and -D take it. What was understood is understood again in the form of `ssh -G`.
func FuzzForward(f *testing.F) {
	for _, text := range []string{
		"8080:db:5432", "localhost:8080:db:5432", "*:8080:db:5432", ":8080:db:5432", "[::1]:8080:[2001:db8::1]:80", "/run/a.sock:db:80",
		"8080:/run/b.sock", "h:1:/s", `/a\:b:/c`, "[/a:b]:/c", "0:db:1", "1080", "[::1]:1080", "/run/socks", "http:db:https", "${HOME}:x:1",
		`\`, "[", "]", "::::", " 1:h:1", "1:h:1 ", "+1:h:2", "1:[h:2", "8080:[h]x:1", "1:\x1b[2J:2", "\x00:a:1",
	} {
		for _, kind := range []Kind{Local, Remote, Dynamic} {
			f.Add(byte(kind), text)
		}
	}
	f.Fuzz(func(t *testing.T, letter byte, text string) {
		kind := Kind(letter)
		if kind != Local && kind != Remote && kind != Dynamic {
			t.Skip()
		}
		got, ok := parseForward(kind, text, os.LookupEnv)
		if !ok {
			_, err := Resolve(t.Context(), Request{Destination: "h", Flags: []Flag{{'F', "none"}, {letter, text}}, Environment: Environment{Getenv: os.LookupEnv}})
			if err == nil {
				t.Errorf("-%c %q is taken", kind, text)
			}
			speaksPlainly(t, err)
			return
		}
		if got.Target.Port == 0 && !got.Target.IsUnix() && !got.IsSOCKS() || got.Listen.Port == 0 && !got.Listen.IsUnix() && kind != Remote {
			t.Fatalf("%q has no port: %+v", text, got)
		}
		for _, end := range []Endpoint{got.Listen, got.Target} {
			if end.Port < 0 || end.Port > 65535 || len(end.Host) >= maxHostName || len(end.Path) >= maxSocketPath {
				t.Fatalf("%q is out of bounds: %+v", text, end)
			}
			if strings.ContainsAny(end.Host+end.Path, "\\[]:$ \t\n\v\f\r") { // -G writes them without quotes, as ssh does
				return
			}
			if strings.Contains(end.Host, "/") || end.IsUnix() && !strings.Contains(end.Path, "/") {
				return // in brackets, which -G leaves out
			}
		}
		written := got.Listen.String()
		if !got.IsSOCKS() {
			written += ":" + got.Target.String()
		}
		again, ok := parseForward(got.Kind, written, os.LookupEnv)
		if !ok || again != got {
			t.Fatalf("-%c %q is %+v, and its %q is %+v, %v", kind, text, got, written, again, ok)
		}
	})
}

// FuzzPermitOpen reads the words of PermitRemoteOpen, of which each must be in a form that net.SplitHostPort takes.
func FuzzPermitOpen(f *testing.F) {
	for _, word := range []string{"db:http", "[::1]:*", "*:22", "none", "h", ":1", "[h:1", "h]:1", "h:0", "h:65536", "a:b:1", "[]:1", "h/x:1"} {
		f.Add(word)
	}
	f.Fuzz(func(t *testing.T, word string) {
		if !validOpen(word) {
			return
		}
		if host, _, _, _ := splitHostPort(word); strings.ContainsAny(withoutBrackets(host), "[]") {
			return // ssh takes them too; no host is called so
		}
		open := permittedOpens([]string{word})
		if len(open) != 1 {
			t.Fatalf("%q became %q", word, open)
		}
		if _, _, err := net.SplitHostPort(open[0]); err != nil {
			t.Errorf("%q became %q: %v", word, open[0], err)
		}
	})
}

// FuzzJump reads a list of jump hosts; it means the same in the form of `ssh -G`.
func FuzzJump(f *testing.F) {
	for _, text := range []string{
		"gate", "bob@gate:2222", "a,b@c:1,[::1]:2", "ssh://bob@gate:22", "ssh://[::1]/", "none", "NONE", "a,none", "@h", "h:", "h:0", ",",
		"a,,b", "u@v@h", "[h", "h]", "10.0.0.1", "ssh://u;x=y@h", "ssh://%41@h", "a b", "a#b", "-oProxyCommand=x", "a\x1b]0;x\a", "[::1%eth0]:22",
	} {
		f.Add(text, true)
		f.Add(text, false)
	}
	f.Fuzz(func(t *testing.T, text string, strict bool) {
		j, wrong := parseJump(text, strict)
		for _, r := range wrong {
			if unicode.IsControl(r) {
				t.Fatalf("%q is said to be wrong with %q", text, wrong)
			}
		}
		if wrong != "" || j.none {
			return
		}
		if j.host == "" || j.port < 0 || j.port > 65535 || j.userSet && j.user == "" {
			t.Fatalf("%q became %+v", text, j)
		}
		if strict && (!validHost(j.host) || j.userSet && !validUser(j.user)) {
			t.Fatalf("%q is allowed on the command line: %+v", text, j)
		}
		if strings.ContainsAny(j.host+j.user, "@,#[]:/"+numeral.Space) || lower(j.text()) == "none" {
			return // not to be written down, in ssh either
		}
		again, wrong := parseJump(j.text(), false)
		if wrong != "" || again.hostSpec != j.hostSpec || again.before != j.before {
			t.Fatalf("%q is %+v, and its %q is %+v %s", text, j, j.text(), again, wrong)
		}
	})
}

// FuzzDestination resolves a destination without any file: an alias, user@host or a URI.
func FuzzDestination(f *testing.F) {
	for _, text := range []string{
		"host", "bob@host", "ssh://bob@host:2222", "ssh://[::1]:22/", "a@b@c", "@host", "bob@", "", "-oProxyCommand=x", "ssh://", "ssh://h:0",
		"ssh://h/path", "ssh://%00@h", "ssh://u%40v@h", "ssh://u;fingerprint=x@h", "h\x1b[31m", "h\nHost *", "::1", "127.1", "%h", "${HOME}", "a b",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := newPerson(t).resolve(text)
		speaksPlainly(t, err)
		if (o == nil) == (err == nil) {
			t.Fatalf("options %v and error %v", o, err)
		}
		if o == nil {
			return
		}
		if o.Port < 1 || o.Port > 65535 || o.HostName == "" || o.User == "" {
			t.Fatalf("%q leads to %q at %q port %d", text, o.User, o.HostName, o.Port)
		}
		if strings.HasPrefix(o.HostName, "-") || strings.ContainsAny(o.HostName, "\n\r\x00") || strings.ContainsAny(o.User, "\n\r\x00") {
			t.Fatalf("%q leads to %q at %q", text, o.User, o.HostName)
		}
	})
}

// FuzzExpand fills in tokens and variables. What KnownHostsCommand gets when it runs is the same.
func FuzzExpand(f *testing.F) {
	for _, text := range []string{"%h-%p", "%%h", "%", "%x", "${SET}", "${UNSET}", "${", "${}", "a${SET}%h}", "%%%", "~/%u", "$HOME", "%h${SET}"} {
		f.Add(text, "value")
		f.Add(text, "%h${SET}")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		tokens := map[byte]string{'h': value, 'p': "22"}
		getenv := func(name string) (string, bool) { return value, name == "SET" }
		got, err := expand(text, tokens, nil)
		speaksPlainly(t, err)
		if err == nil && ExpandRuntimeTokens(text, tokens) != got {
			t.Errorf("%q is %q, and at run time %q", text, got, ExpandRuntimeTokens(text, tokens))
		}
		got, err = expand(text, tokens, getenv)
		speaksPlainly(t, err)
		if len(got) > len(text)+len(text)*len(value) {
			t.Errorf("%q became %q: what was filled in was filled in again", text, got)
		}
		if !strings.ContainsAny(text, "%$") && (got != text || err != nil) {
			t.Errorf("%q became %q, %v", text, got, err)
		}
		if path, err := expandTilde(text, "/home/me"); err == nil && strings.HasPrefix(text, "~/") && !strings.HasPrefix(path, "/home/me/") {
			t.Errorf("%q is %q", text, path)
		}
	})
}

// FuzzNumbers reads ports, times and sizes. Plain digits mean what they say, and nothing overflows.
func FuzzNumbers(f *testing.F) {
	for _, text := range []string{
		"0", "22", "65535", "65536", "+1", "-1", " 5", "0x10", "010", "1m30s", "1w", "1h 30m", "2147483647", "2147483648", "1.5G", ".5K", "8E", "7E",
		"9223372036854775807", "9223372036854775808", "99999999999999999999", "1K-", "--1", "1..2", "http", "\x00", "1e9", "0.0000000000000000000009E",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if value, ok := numeral.Seconds(text); ok && (value < 0 || value > 1<<31-1) {
			t.Errorf("%q is %d seconds", text, value)
		}
		if value, ok := bytesize.Parse(text); ok && value < 0 && !strings.Contains(text, "-") {
			t.Errorf("%q is %d bytes", text, value)
		}
		if value, ok := numeral.Port(text); ok && (value < 0 || value > 65535) {
			t.Errorf("%q is port %d", text, value)
		}
		if text == "" || strings.Trim(text, "0123456789") != "" || len(text) > 20 {
			return
		}
		value, err := strconv.ParseInt(text, 10, 64)
		in := func(limit int64) bool { return err == nil && value <= limit }
		if got, ok := numeral.Seconds(text); ok != in(1<<31-1) || ok && int64(got) != value {
			t.Errorf("%s is %d seconds, %v", text, got, ok)
		}
		if got, ok := bytesize.Parse(text); ok != (err == nil) || ok && got != value {
			t.Errorf("%s is %d bytes, %v", text, got, ok)
		}
		if got, ok := numeral.Whole(text, 65535); ok != in(65535) || ok && got != value {
			t.Errorf("%s is port %d, %v", text, got, ok)
		}
	})
}

// FuzzWords splits a line into words, and joins words to a line.
func FuzzWords(f *testing.F) {
	for _, text := range []string{"a  b\tc ", `"a b" c"d"e`, `'a "b" c'`, `a\ b \" \' \\ \x`, "a #b", `"" ''`, `it's`, `a\`, "\x00", "\n\r"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		words, err := SplitWords(text)
		speaksPlainly(t, err)
		if err != nil {
			return
		}
		again, err := SplitWords(joinWords(words))
		if err != nil || !slices.Equal(words, again) {
			t.Errorf("%q is %q, and written %q is %q, %v", text, words, joinWords(words), again, err)
		}
		reader := cursor{rest: trimLine(text)}
		for range len(text) + 2 {
			if _, ok := reader.next(); !ok {
				return
			}
		}
		if !reader.done {
			t.Errorf("%q has more words than bytes", text)
		}
	})
}

// FuzzPattern compares the patterns of Host lines, and the file names of Include, with Go's regular expressions.
func FuzzPattern(f *testing.F) {
	for _, c := range [][2]string{
		{"web1", "web?"}, {"a.b.c", "*.c"}, {"mississippi", "m*iss*pi"}, {"", "*"}, {"a*c", `a\*c`}, {"7", "[[:digit:]]"}, {"]", "[]]"}, {"x", "[!a-c]"},
		{strings.Repeat("a", 60), strings.Repeat("*a", 30) + "b"}, {"\xff", "?"}, {"[", "[[:"}, {"-", "[a-]"}, {"a", "[a"},
	} {
		f.Add(c[0], c[1])
	}
	f.Fuzz(func(t *testing.T, text, pattern string) {
		if len(text) > 255 || len(pattern) > 255 { // no file name is longer
			t.Skip()
		}
		began := worked(t)
		named := glob.Match(text, pattern)
		matched := sshpattern.MatchPattern(text, pattern)
		sshpattern.MatchList(text, pattern, true)
		if took := worked(t) - began; took > time.Second {
			t.Fatalf("comparing %q with %q took %v", text, pattern, took)
		}
		if !utf8.ValidString(text+pattern) || text+pattern != string([]byte(lower(text+pattern))) {
			return
		}
		for _, r := range text + pattern {
			if r >= utf8.RuneSelf {
				return // a regular expression counts runes
			}
		}
		var expression strings.Builder
		for _, r := range pattern {
			switch r {
			case '*':
				expression.WriteString(".*")
			case '?':
				expression.WriteString(".")
			default:
				expression.WriteString(regexp.QuoteMeta(string(r)))
			}
		}
		want := regexp.MustCompile(`(?s)\A` + expression.String() + `\z`).MatchString(text)
		if matched != want {
			t.Errorf("%q matches %q: %v", text, pattern, matched)
		}
		if !strings.ContainsAny(pattern, `[\`) && named != want {
			t.Errorf("the file name %q matches %q: %v", text, pattern, named)
		}
	})
}

// FuzzNumericAddress reads addresses as getaddrinfo(3) does.
func FuzzNumericAddress(f *testing.F) {
	for _, text := range []string{"127.0.0.1", "127.1", "0x7f.1", "010.0.0.1", "1", "::1", "::ffff:1.2.3.4", "::1%0", "fe80::1%lo", "::1:2", "256.1", "1.", "08"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := numericAddress(text, string(AnyFamily))
		want, err := netip.ParseAddr(text)
		if err == nil && want.Zone() == "" && strings.Trim(text, "0123456789.") != "" && !ok {
			t.Errorf("%q is an address, and is not taken for one", text)
		}
		if !ok {
			return
		}
		again, err := netip.ParseAddr(got)
		if err != nil {
			t.Fatalf("%q became %q: %v", text, got, err)
		}
		if want.IsValid() && want.Zone() == "" && strings.Contains(text, ":") && again != want {
			t.Errorf("%q became %q", text, got)
		}
	})
}

// FuzzResolve resolves a whole file that others may write to: nothing in it may run a command, and none of its words may reach
// a terminal as they are.
func FuzzResolve(f *testing.F) {
	for _, text := range []string{
		"Match exec \"touch ${RAN}\"\nUser x\n", "Match host a exec \"touch ${RAN}\" final\n", "Include config\n", "Include other\nPort 7\n",
		"CanonicalizeHostname yes\nCanonicalDomains example.org\n", "HostName %h.%h\nProxyJump %h\n", "Host a\x1b[2J\n Bogus\x9b 1\n",
		"Match all\nMatch final all\nHostName b\n", "ProxyCommand nc %h %p\nKnownHostsCommand /bin/false %H\n", "Host *\n\tUser \"a\nb\"\r\n",
		"SetEnv A=\x1b]0;x\a\nLocalForward 1 \x1b:2\n", "IgnoreUnknown *\n\x7f x\n", "Match localnetwork 0.0.0.0/0,::/0\nMatch version *\n",
		"TunneldEcho service:7\nTunneldHold 1h\nTunneldConnections 4\n", "RekeyLimit 1G 1h\nIPQoS ef none\nEscapeChar ^[\n",
	} {
		f.Add(text, "a")
	}
	f.Fuzz(func(t *testing.T, text, host string) {
		if outside(text) {
			t.Skip()
		}
		p := newPerson(t)
		ran := filepath.Join(p.environment.Home, "ran")
		p.variables["RAN"] = ran
		p.write(".ssh/other", "User other\n")
		if err := os.Chmod(p.user(text), 0o666); err != nil { // so that its commands are not run
			t.Fatal(err)
		}
		p.environment.Resolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, os.ErrPermission
		}}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		o, err := Resolve(ctx, Request{Destination: host, Environment: p.environment, Flags: []Flag{{'F', p.environment.UserFile}}})
		if ctx.Err() != nil {
			t.Fatal("took too long")
		}
		speaksPlainly(t, err)
		if _, err := os.Stat(ran); err == nil {
			t.Fatal("a command was run")
		}
		if o == nil {
			return
		}
		for _, warning := range o.Warnings {
			speaksPlainly(t, errors.New(warning.Text))
		}
		printed(t, o)
	})
}

// outside reports whether a configuration reads files that are not the test's own.
func outside(text string) bool {
	for line := range strings.Lines(lower(text)) {
		if strings.Contains(line, "include") && strings.ContainsAny(line, `/~*?[\$%`) {
			return true
		}
	}
	return false
}
