package config

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// printer writes the options of one destination.
type printer struct {
	o   *Options
	out *bufio.Writer
}

// Print writes the effective options in the format of `ssh -G` of OpenSSH 10.6: the keyword in lower case, a blank, and the
// value; tunneld's own are the last. One value differs from ssh's: ServerAliveInterval where nobody sets it.
func (o *Options) Print(w io.Writer) error {
	p := &printer{o: o, out: bufio.NewWriter(w)}
	p.line("host", o.Alias)
	for _, k := range table() {
		k.print(p, k.name)
	}
	return p.out.Flush()
}

func (p *printer) line(keyword, value string) {
	fmt.Fprintf(p.out, "%s %s\n", lower(keyword), value) // Flush returns the error
}

// scalar prints the first value, and nothing where there is none.
func scalar(p *printer, keyword string) {
	if p.o.has(keyword) {
		p.line(keyword, p.o.value(keyword))
	}
}

// each prints a line for each value.
func each(p *printer, keyword string) {
	for _, value := range p.o.values(keyword) {
		p.line(keyword, value)
	}
}

// together prints all values on one line.
func together(p *printer, keyword string) {
	values := p.o.values(keyword)
	if len(values) == 0 {
		values = []string{"none"}
	}
	p.line(keyword, strings.Join(values, " "))
}

// otherwise prints word where the keyword is unset.
func otherwise(word string) func(*printer, string) {
	return func(p *printer, keyword string) {
		if p.o.has(keyword) {
			together(p, keyword)
			return
		}
		p.line(keyword, word)
	}
}

// nothing is for a keyword that another one's line shows.
func nothing(*printer, string) {}

// printLogLevel has the old name of QUIET, which Debian's ssh prints.
func printLogLevel(p *printer, keyword string) {
	value := p.o.value(keyword)
	if value == "QUIET" {
		value = "SILENT"
	}
	p.line(keyword, value)
}

// printForwards writes what listens and, but for -D, what it leads to. A forward to a socket counts as -D too, and one to a
// host named "socks" as -D only: that is how `ssh -G` takes them.
func printForwards(p *printer, keyword string) {
	for _, f := range p.o.Forwards {
		socks := f.IsSOCKS() || f.Target.Host == "socks"
		switch {
		case f.Kind == DNS, (keyword == "RemoteForward") != (f.Kind == Remote):
			continue
		case keyword == "LocalForward" && socks, keyword == "DynamicForward" && !socks && !f.Target.IsUnix():
			continue
		case keyword == "DynamicForward":
			p.line(keyword, f.Listen.String())
		case f.IsSOCKS():
			p.line(keyword, f.Listen.String()+" [socks]:0")
		default:
			p.line(keyword, f.Listen.String()+" "+f.Target.String())
		}
	}
}

func printForwardAgent(p *printer, keyword string) {
	value := p.o.value(keyword)
	if p.o.has(forwardedSocket) {
		value = p.o.value(forwardedSocket)
	}
	p.line(keyword, value)
}

func printRekeyLimit(p *printer, keyword string) {
	p.line(keyword, p.o.value(keyword)+" "+p.o.value(rekeyInterval))
}

// printProxy writes whichever of ProxyJump and ProxyCommand is in effect.
func printProxy(p *printer, keyword string) {
	if !p.o.has("ProxyJump") {
		scalar(p, keyword)
		return
	}
	j, _ := parseJump(p.o.value("ProxyJump"), false)
	if j.none {
		j.host = "none"
	}
	p.line("ProxyJump", j.text())
}
