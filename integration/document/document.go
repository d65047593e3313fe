// Package document reads what the project's documents tell people to type, so that tests type it.
package document

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// top is the top of the project, seen from a package of integration tests.
const top = "../.."

// Page is a document.
type Page struct {
	t     testing.TB
	path  string
	lines []string
}

// Read returns the document with that path, from the top of the project.
func Read(t testing.TB, path string) *Page {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, path))
	if err != nil {
		t.Fatal(err)
	}
	return &Page{t: t, path: path, lines: strings.Split(string(text), "\n")}
}

// All returns the documents for those who use the program.
func All(t testing.TB) (pages []*Page) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(top, "docs/*.md"))
	if err != nil || len(paths) == 0 {
		t.Fatal("no documents: ", err)
	}
	for _, path := range append(paths, top+"/README.md", top+"/SECURITY.md") {
		pages = append(pages, Read(t, strings.TrimPrefix(path, top+"/")))
	}
	return pages
}

// Path is the document's, from the top of the project.
func (p *Page) Path() string { return p.path }

// Lines are all of them.
func (p *Page) Lines() []string { return p.lines }

// Block returns the lines that are fenced or indented behind the line that begins so.
func (p *Page) Block(after string) (block []string) {
	p.t.Helper()
	at := slices.IndexFunc(p.lines, func(line string) bool { return strings.HasPrefix(line, after) })
	if at < 0 {
		p.t.Fatalf("%s has no line that begins with %q", p.path, after)
	}
	fenced := false
	for _, line := range p.lines[at+1:] {
		text, indented := strings.CutPrefix(line, "    ")
		switch {
		case strings.HasPrefix(line, "```") && fenced:
			return block
		case strings.HasPrefix(line, "```"):
			fenced = true
		case fenced:
			block = append(block, line)
		case indented:
			block = append(block, text)
		case len(block) > 0:
			return block
		}
	}
	p.t.Fatalf("%s has no block behind %q", p.path, after)
	return nil
}

// Typed returns the commands that the page tells people to type into a shell, in its order: the lines of its sh blocks, where a
// backslash joins two of them, and in indented blocks those behind a prompt. A remark behind a command is left away.
func (p *Page) Typed() (commands []string) {
	fence, begun := "", ""
	for _, line := range p.lines {
		if strings.HasPrefix(line, "```") {
			fence = strings.TrimPrefix(line, "```")
			continue
		}
		command, prompted := strings.CutPrefix(line, "    $ ")
		switch {
		case fence == "sh":
			command = strings.TrimSpace(line)
		case !prompted:
			continue
		}
		command, _, _ = strings.Cut(begun+command, "  #")
		if rest, goesOn := strings.CutSuffix(command, `\`); goesOn {
			begun = strings.TrimSpace(rest) + " "
			continue
		}
		begun = ""
		if command = strings.TrimSpace(command); command != "" && !strings.HasPrefix(command, "#") {
			commands = append(commands, command)
		}
	}
	return commands
}

// Follow calls, for each command that the page tells people to type, in its order, what do has for it. It complains of commands that
// nobody follows, and of those that the page does not have any more.
func (p *Page) Follow(do map[string]func(typed string)) {
	p.t.Helper()
	typed := p.Typed()
	for _, command := range typed {
		if do[command] == nil {
			p.t.Errorf("nobody follows what %s tells people to type: %s", p.path, command)
			continue
		}
		do[command](command)
	}
	for command := range do {
		if !slices.Contains(typed, command) {
			p.t.Errorf("%s does not tell people any more to type %s", p.path, command)
		}
	}
}
