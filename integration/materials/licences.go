package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

const heading = "# Licences\n\ntunneld is under the MIT licence (LICENSE). The program is built from these modules as well, whose licences and notices go with\n" +
	"each copy of it, as this file does; `make licences` makes it.\n\n| module | licence | text |\n|---|---|---|\n"

// list is the table of the modules and, below it, the texts, each of which stands there once.
type list struct {
	table, texts, notices strings.Builder
	same                  map[string]int // text of a licence: its number
}

// printLicences writes a list of the modules with their licences, the texts, and the notices, which have to go with each copy of the
// program.
func printLicences(out io.Writer) error {
	modules, err := modules()
	if err != nil {
		return err
	}
	library, err := toolchain()
	if err != nil {
		return err
	}
	l := list{same: make(map[string]int)}
	for _, m := range append(modules, library) {
		if err := l.add(m); err != nil {
			return err
		}
	}
	_, err = fmt.Fprint(out, heading, l.table.String(), l.texts.String(), l.notices.String())
	return err
}

func (l *list) add(m module) error {
	name, text, err := m.licence()
	if err != nil {
		return err
	}
	l.row(m.Path, name, text)
	for _, dir := range m.parts() {
		if name, text, err = licenceIn(named(dir, "LICENSE*")[0]); err != nil {
			return err
		}
		l.row(m.Path+filepath.ToSlash(strings.TrimPrefix(dir, m.Dir)), name, text)
	}
	for _, path := range m.notices() {
		if text, err = textOf(path); err != nil {
			return err
		}
		fmt.Fprintf(&l.notices, "\n## Notice of %s\n\n%s", m.Path, quoted(text))
	}
	return nil
}

func (l *list) row(what, name, text string) {
	number := l.same[text]
	if number == 0 {
		number = len(l.same) + 1
		l.same[text] = number
		fmt.Fprintf(&l.texts, "\n## Text %d\n\n%s", number, quoted(text))
	}
	fmt.Fprintf(&l.table, "| %s | %s | [%d](#text-%d) |\n", what, name, number, number)
}

// quoted returns a text as Markdown shows it as it is.
func quoted(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text + "\n") {
		fmt.Fprintln(&b, strings.TrimRight("    "+line, " \n"))
	}
	return b.String()
}
