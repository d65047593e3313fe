package document

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestTyped(t *testing.T) {
	text := "```sh\none\ntwo \\\n  three  # a remark\n\n# a line of its own\n```\n\n    $ four\n    says this\n    no command\n```ini\nfive\n```\n"
	p := &Page{t: t, lines: strings.Split(text, "\n")}
	if want := []string{"one", "two three", "four"}; !slices.Equal(p.Typed(), want) {
		t.Errorf("typed: %q, want %q", p.Typed(), want)
	}
}

// Each document that tells people to type something is read by a test, which types it.
func TestEachPageIsFollowed(t *testing.T) {
	var tests strings.Builder
	err := filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		tests.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range All(t) {
		if len(p.Typed()) > 0 && !strings.Contains(tests.String(), `document.Read(t, "`+p.Path()+`")`) {
			t.Errorf("no test follows %s, which tells people to type %q", p.Path(), p.Typed())
		}
	}
}

// The first page is for strangers: it may not grow without end.
func TestReadmeIsShort(t *testing.T) {
	if n := len(Read(t, "README.md").Lines()); n > 200 {
		t.Errorf("the README has %d lines, want at most 200: which of its topics has a page in docs/?", n)
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`^#+ (.*)$`)
)

// Links between the documents lead to files and headings that are there.
func TestLinksLeadSomewhere(t *testing.T) {
	for _, p := range All(t) {
		for _, found := range link.FindAllStringSubmatch(strings.Join(p.Lines(), "\n"), -1) {
			path, anchor, _ := strings.Cut(found[1], "#")
			if strings.Contains(found[1], "://") {
				continue
			}
			to := p
			if path != "" {
				at := filepath.Join(filepath.Dir(p.Path()), path)
				if _, err := os.Stat(filepath.Join(top, at)); err != nil {
					t.Errorf("%s: %v", p.Path(), err)
					continue
				}
				to = Read(t, at)
			}
			if anchor != "" && !slices.Contains(to.anchors(), anchor) {
				t.Errorf("%s: %s has no heading #%s", p.Path(), to.Path(), anchor)
			}
		}
	}
}

// anchors are the headings of a page as GitHub links to them.
func (p *Page) anchors() (names []string) {
	for _, line := range p.lines {
		if found := heading.FindStringSubmatch(line); found != nil {
			kept := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(found[1]), "")
			names = append(names, strings.ReplaceAll(kept, " ", "-"))
		}
	}
	return names
}
