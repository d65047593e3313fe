package config

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/tunneld/tunneld/config/foreign"
)

// Forget drops what Explain alone tells, which is as long as the files are; it has nothing to tell then.
func (o *Options) Forget() {
	for ; o != nil && o.trace != nil; o = o.Via {
		o.trace.blocks, o.trace.unused, o.trace.places, o.trace.noted = nil, nil, nil, nil
	}
}

// Explain writes for people what becomes of a destination: where it leads, each value that somebody set and where, and, with
// the reason, the blocks that were skipped and the options that had no effect. Of the options that nobody set it shows only
// tunneld's own.
func (o *Options) Explain(w io.Writer) error {
	e := &explanation{o: o}
	e.way()
	e.table("settings", settings(o))
	e.forwards()
	e.tunneldKeywords()
	for hop := o.Via; hop != nil; hop = hop.Via {
		e.table("settings of the jump host "+foreign.Own(hop.Alias).String(), append(settings(hop), secrets(hop)...))
	}
	e.blocks()
	e.withoutEffect()
	e.warnings()
	_, err := w.Write(e.out.Bytes())
	return err
}

// explanation is built in memory, where writing does not fail.
type explanation struct {
	o   *Options
	out bytes.Buffer
}

// way tells in the first lines where the tunnel leads.
func (e *explanation) way() {
	o := e.o
	fmt.Fprintf(&e.out, "%s leads to %s@%s", foreign.Own(o.Alias), foreign.Own(o.User), foreign.Own(o.Address()))
	switch {
	case o.Via != nil:
		var hops []string
		for hop := o.Via; hop != nil; hop = hop.Via {
			hops = append([]string{hop.User + "@" + hop.Address()}, hops...)
		}
		fmt.Fprintf(&e.out, "\nthrough %s", foreign.Own(strings.Join(hops, ", then ")))
	case o.ProxyCommand != "":
		fmt.Fprintf(&e.out, "\nthrough the command %s", foreign.Own(o.ProxyCommand))
	}
	e.out.WriteString("\n")
	if len(o.trace.files) == 0 {
		e.out.WriteString("no configuration file was read\n")
		e.unread()
		return
	}
	fmt.Fprintf(&e.out, "read from %s\n", foreign.Own(strings.Join(o.trace.files, ", ")))
	if !o.Matched {
		fmt.Fprintf(&e.out, "no Host or Match names %s\n", foreign.Own(o.Alias))
	}
	e.unread()
}

// unread names the files that could not be read.
func (e *explanation) unread() {
	for _, file := range e.o.Unread {
		fmt.Fprintf(&e.out, "%v\n", file)
	}
}

// table writes rows in columns under a heading; nothing where there are none.
func (e *explanation) table(heading string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(&e.out, "\n%s\n", heading)
	columns := tabwriter.NewWriter(&e.out, 0, 8, 2, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			row[i] = foreign.Own(cell).String() // on its line and in its column
		}
		fmt.Fprintln(columns, "  "+strings.Join(row, "\t")) // the buffer takes all
	}
	columns.Flush() // the same
}

// settings lists what somebody set, in the order in which `ssh -G` prints.
func settings(o *Options) [][]string {
	var rows [][]string
	for _, k := range table() {
		if k.isOwn() || strings.HasSuffix(k.name, "Forward") {
			continue
		}
		for _, keyword := range []string{k.name, k.name + " interval", k.name + " socket"} {
			rows = append(rows, o.rows(keyword)...)
		}
	}
	return rows
}

// rows has one for each value of keyword that is no default.
func (o *Options) rows(keyword string) [][]string {
	var rows [][]string
	for _, entry := range o.entries(keyword) {
		if entry.source.File != fromDefault {
			rows = append(rows, []string{keyword, entry.value, entry.source.String()})
		}
	}
	return rows
}

// secrets lists tunneld's own settings that a jump host has for itself: where its secrets are read, and its command.
func secrets(hop *Options) [][]string {
	return slices.Concat(hop.rows("TunneldPassphraseFile"), hop.rows("TunneldPasswordFile"), hop.rows("TunneldBeforeConnect"))
}

func (e *explanation) forwards() {
	var rows [][]string
	for _, f := range e.o.Forwards {
		target := f.Target.String()
		if f.IsSOCKS() {
			target = "wherever the client says"
		}
		rows = append(rows, []string{f.Kind.Option(), f.Listen.String() + " to " + target, f.Source.String()})
	}
	e.table("forwards", rows)
	if len(rows) == 0 {
		e.out.WriteString("\nno forwards\n")
	}
}

func (e *explanation) tunneldKeywords() {
	var rows [][]string
	for _, s := range Settings() {
		rows = append(rows, []string{s.Keyword, strings.Join(e.o.values(s.Keyword), " "), e.o.Source(s.Keyword).String()})
	}
	if from := e.o.Source("ServerAliveInterval"); from.File == fromDefault { // not ssh's default
		rows = append(rows, []string{"ServerAliveInterval", e.o.value("ServerAliveInterval"), from.String()})
	}
	e.table("tunneld", rows)
}

func (e *explanation) blocks() {
	var rows [][]string
	for _, b := range e.o.trace.blocks {
		if !b.active {
			rows = append(rows, []string{b.source.String(), b.header, b.reason})
		}
	}
	e.table("blocks that were skipped", rows)
}

func (e *explanation) withoutEffect() {
	var rows [][]string
	for _, u := range e.o.trace.unused {
		if e.isEffective(u) {
			continue
		}
		text := u.keyword
		if u.value != "" {
			text += " " + u.value
		}
		rows = append(rows, []string{u.source.String(), text, u.reason})
	}
	e.table("options without effect", rows)
}

// isEffective reports whether the second pass read again what the first pass took.
func (e *explanation) isEffective(u unused) bool {
	return slices.ContainsFunc(e.o.entries(u.keyword), func(entry entry) bool { return entry.source == u.source })
}

func (e *explanation) warnings() {
	var rows [][]string
	for _, w := range e.o.Warnings {
		text := w.Text
		if w.Keyword != "" {
			text = w.Keyword + ": " + text
		}
		rows = append(rows, []string{w.Source.String(), text})
	}
	e.table("warnings", rows)
}
