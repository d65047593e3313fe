package sshconfig

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// generator writes random configurations: mostly what people write, and often enough what nobody should.
type generator struct {
	data []byte     // choices to follow first, of a fuzzer
	rng  *rand.Rand // choices after that
	wild int        // of 100 values, how many are taken from anywhere
}

func newGenerator(seed uint64, data []byte) *generator {
	g := &generator{data: data, rng: rand.New(rand.NewPCG(seed, 1))}
	g.wild = []int{0, 0, 0, 1, 3, 10}[g.n(6)]
	return g
}

// n chooses a number below limit.
func (g *generator) n(limit int) int {
	if len(g.data) == 0 {
		return g.rng.IntN(limit)
	}
	c := int(g.data[0])
	g.data = g.data[1:]
	return c % limit
}

func (g *generator) chance(percent int) bool { return g.n(100) < percent }

func (g *generator) pick(words ...string) string { return words[g.n(len(words))] }

// some joins one to max picks.
func (g *generator) some(max int, separator string, one func() string) string {
	var all []string
	for range 1 + g.n(max) {
		all = append(all, one())
	}
	return strings.Join(all, separator)
}

func (g *generator) sample() sample {
	s := sample{files: map[string]string{}}
	for i := range g.n(4) {
		s.files[fmt.Sprintf("inc%d", i)] = g.file(1, 5)
	}
	if g.chance(25) {
		return g.focus()
	}
	s.text = g.file(0, 12)
	s.args = g.arguments()
	if g.chance(30) {
		s.text = g.mutate(s.text)
		for name, text := range s.files {
			s.files[name] = g.mutate(text)
		}
	}
	return s
}

// focus writes a few lines of one keyword, with values from anywhere and mutations of good ones.
func (g *generator) focus() sample {
	keyword := g.keyword()
	var b strings.Builder
	for range 1 + g.n(3) {
		value := g.goodValue(strings.ToLower(keyword))
		switch g.n(4) {
		case 0:
			value = g.value()
		case 1:
			value = g.mutate(value)
		case 2:
			value += g.pick(" ", ",", ":", "", "=", "/", "-") + g.pick(g.value(), value)
		}
		b.WriteString(keyword + " " + value + "\n")
	}
	if g.chance(30) {
		return sample{args: []string{"-o", keyword + "=" + strings.ReplaceAll(g.mutate(g.goodValue(strings.ToLower(keyword))), "\x00", ""), "host"}, text: b.String()}
	}
	return sample{text: b.String()}
}

// mutate puts characters with a meaning where they do not belong, and takes others away.
func (g *generator) mutate(text string) string {
	for range 1 + g.n(4) {
		at := g.rng.IntN(len(text) + 1)
		end := min(at+g.n(3), len(text))
		text = text[:at] + g.pick("", "", `"`, "'", `\`, "#", "=", " ", "\t", ",", "!", "%", "$", "${", "}", ":", "[", "]", "/", "*", "?", "~", "-", "+", "^", "0", "\n", "\r", "@", "\x00", "\f", "none", " # ") + text[end:]
	}
	return text
}

// file writes up to max lines.
func (g *generator) file(depth, max int) string {
	var b strings.Builder
	ending := g.pick("\n", "\n", "\n", "\n", "\r\n")
	for range 1 + g.n(max) {
		b.WriteString(g.line(depth) + ending)
	}
	text := b.String()
	if g.chance(5) {
		text = strings.TrimSuffix(text, ending)
	}
	return text
}

func (g *generator) line(depth int) string {
	switch roll := g.n(100); {
	case roll < 12:
		return g.join("Host", g.some(3, " ", g.pattern))
	case roll < 24:
		return g.join("Match", g.criteria())
	case roll < 29 && depth < 3:
		return g.join("Include", g.pick("DIR/inc0", "DIR/inc*", "DIR/inc[01]", "DIR/nothing", "DIR/inc1 DIR/inc2", `"DIR/inc2"`, "DIR/i?c3", "DIR/inc[!0]", "~/nothing", "nothing/*", "DIR/inc0 # x", "DIR", "DIR/inc0 DIR/inc0", "DIR/sub/../inc1", "DIR/./inc2", "'DIR/inc1'", "DIR//inc0", "DIR/inc[[:digit:]]", `DIR/inc\\0`, "DIR/{inc0,inc1}"))
	case roll < 31:
		return g.pick("", "  ", "# comment", "\t# x \"", "#", "\f", " \t", "Host", "Match", "Port", "=", "\"", "\"Port\" 22", "Port\"22\"", "Port 22\x00garbage", "'Port' 22", `\Port 22`)
	case roll < 33:
		return g.join("IgnoreUnknown", g.pick("Foo*", "*", "foo,bar", "!foo,*", "FOO", "Tunneld*,foo")) + "\n" + g.join(g.pick("Foo", "Foobar", "bar", "UseKeychain"), g.value())
	}
	keyword := g.keyword()
	return g.join(keyword, g.valueOf(strings.ToLower(keyword)))
}

// join writes a keyword and its arguments with blanks, "=", quotes, comments and line noise around them.
func (g *generator) join(keyword, arguments string) string {
	keyword = g.pick(keyword, keyword, keyword, strings.ToLower(keyword), strings.ToUpper(keyword))
	if g.wild > 0 && g.chance(3) {
		keyword = g.pick(`"`+keyword+`"`, keyword+g.pick("x", "s", "=", `"`))
	}
	separator := g.pick(" ", " ", " ", " ", "  ", "\t", "=", " = ", " =", "= ", " \t ")
	if g.wild > 0 && g.chance(2) {
		separator = g.pick("==", " == ", "\r", "\f", "\v", ":", "")
	}
	line := g.pick("", "", "", "  ", "\t", "    ") + keyword + separator + arguments
	if g.chance(15) {
		line += g.pick(" ", "\t", " # comment", " \t\f")
	}
	if g.chance(g.wild) {
		line += g.pick("#c", " \"\"", " extra", " '#'", ` \`, " =")
	}
	return line
}

func (g *generator) quote(word string) string {
	switch g.n(14) {
	case 0, 1:
		return `"` + word + `"`
	case 2:
		return "'" + word + "'"
	case 3:
		if len(word) > 1 {
			return word[:1] + `"` + word[1:] + `"`
		}
	}
	return word
}

func (g *generator) pattern() string {
	p := g.pick("host", "host", "host", "h*", "?ost", "*", "*", "other", "!host", "!other", "!*", "HOST", "host.example.com", "*.example.com", "127.0.0.1", "::1", "real", "real*", "h?s?", "host?", "**", "h*t", "!h*", "h,host")
	return g.quote(p)
}

// criteria writes what follows Match.
func (g *generator) criteria() string {
	if g.chance(15) {
		return g.pick("all", "final all", "canonical all", "!all", "all # x", "final", "!final", "canonical", "!canonical", "all all", "user x all", "final canonical all", "ALL")
	}
	return g.some(3, g.pick(" ", " ", "  ", "\t"), func() string {
		name := g.pick("host", "host", "originalhost", "user", "localuser", "exec", "final", "canonical", "all", "bogus")
		if name == "bogus" && !g.chance(20) {
			name = "host"
		}
		negated := g.pick("", "", "", "!")
		separator := g.pick(" ", " ", " ", "=", " = ", "\t")
		list := g.some(3, ",", func() string {
			return g.pick("host", "h*", "*", "!host", "other", "real", "HOST", "127.0.0.1", "root", "bob", "!bob", "r*", "a b")
		})
		if strings.Contains(list, " ") {
			list = `"` + list + `"`
		}
		switch name {
		case "final", "canonical", "all":
			return negated + name
		case "exec":
			list = g.pick(`true`, `false`, `"true"`, `"exit 1"`, `"test %h = host"`, `"test %n = host"`, `"test %p = 22"`, `"test %r = bob"`, `"test %u = root"`, `"test %k = host"`, `"test %d = /root"`, `"test %i = 0"`, `"test %C"`, `"test %L"`, `"exit %p"`, `"true %z"`, `"true %"`, `"true %%"`, `/bin/true`, `"test $SET = value"`)
		case "user", "localuser":
			list = g.some(2, ",", func() string { return g.pick("root", "bob", "*", "!bob", "ro?t", "!root", "Root") })
		}
		return g.pick(name, name, strings.ToUpper(name)) + separator + g.quoteMatch(negated, list)
	})
}

func (g *generator) quoteMatch(negated, list string) string {
	_ = negated
	if g.chance(12) && !strings.Contains(list, `"`) {
		return g.pick(`"`+list+`"`, `'`+list+`'`, `"`+list, list+`"x"`)
	}
	return list
}

// arguments writes the command line of ssh.
func (g *generator) arguments() []string {
	destination := g.pick("host", "host", "host", "host", "host", "HOST", "bob@host", "host.example.com", "127.1", "::1", "ssh://host", "ssh://bob@host:2200", "a@b@host", "[::1]", "0x7f.1", "root@127.0.0.1")
	if g.chance(g.wild) {
		destination = g.pick("@host", "-x", "ssh://", "ssh://host:0", "ssh://host/path", "ssh://host:22/", "ssh://bob%20x@host", "ssh://@host", "ssh://[::1]:22", "ho st", "ho;st", "host:22", "$host", "ssh://host.", "ssh://bob;x=y@host:ssh", "ssh://b+b@host", "bob;@host", "host.", "1.2.3.4.5", "fe80::1%lo", "::ffff:1.2.3.4", "::1.2.3.4", "FE80::A", "a,b", "ssh://ho_st", "ssh://-host", "h\xffst", "1:2")
	}
	args := []string{}
	for range g.n(4) * g.n(2) {
		args = append(args, g.argument()...)
	}
	at := g.n(len(args) + 1)
	for at < len(args) && !strings.HasPrefix(args[at], "-") {
		at++
	}
	return append(args[:at:at], append([]string{destination}, args[at:]...)...)
}

func (g *generator) argument() []string {
	switch g.n(22) {
	case 0:
		return []string{"-L", g.forward()}
	case 1:
		return []string{"-R", g.pick(g.forward(), g.listen())}
	case 2:
		return []string{"-D", g.listen()}
	case 3:
		return []string{"-p", g.port()}
	case 4:
		return []string{"-l", g.user()}
	case 5:
		return []string{"-i", g.pick("DIR/config", "/nonexistent", "~/.ssh/id", "/etc/passwd", "~", "~nobody/x", "~nosuchuser/x")}
	case 6:
		return []string{"-J", g.jump()}
	case 7:
		return []string{"-b", g.pick("127.0.0.1", "::1", "name", "")}
	case 8:
		return []string{"-B", g.pick("lo", "eth0")}
	case 9:
		return []string{"-c", g.algorithms(cipherNames)}
	case 10:
		return []string{"-m", g.algorithms(macNames)}
	case 11:
		return []string{g.pick("-g", "-4", "-6", "-C", "-q", "-v", "-N", "-n", "-T", "-vv", "-vvv", "-qv", "-vq", "-46", "-NT", "-gN", "-a", "-A", "-x", "-X", "-k", "-K", "-Y", "-t", "-tt", "-M", "-MM", "-2", "-f")}
	case 12:
		return []string{"-v"}
	case 13:
		return []string{"-S", g.pick("none", "/tmp/%C", "~/x", "%z")}
	}
	keyword := g.keyword()
	return []string{"-o", g.pick("", "", " ") + keyword + g.pick("=", "=", " ", " = ", "\t") + g.valueOf(strings.ToLower(keyword))}
}
