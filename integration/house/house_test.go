// Package house holds the project to its own plan: who may import whom, how large a package may grow, and the drawing of it
// in CONTRIBUTING.md.
package house

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	module  = "github.com/tunneld/tunneld/"
	maxSize = 45    // files of a package that are built here, without its tests
	maxLong = 6_000 // lines of them
)

// floors from the top; a package imports what is below it, or a room of its own floor.
var floors = []string{"integration", "cmd/tunneld", "monitor", "tunnel", "config"}

// room is a package of the project, as go list shows it.
type room struct {
	Dir, ImportPath                             string
	GoFiles, Imports, TestImports, XTestImports []string
}

func (r room) name() string { return strings.TrimPrefix(r.ImportPath, module) }

// below returns the project's own packages among imports.
func below(imports ...string) (own []string) {
	for _, path := range imports {
		if name, ours := strings.CutPrefix(path, module); ours {
			own = append(own, name)
		}
	}
	return own
}

func rooms(t *testing.T) map[string]room {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=Dir,ImportPath,GoFiles,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = "../.."
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]room)
	for list := json.NewDecoder(bytes.NewReader(text)); ; {
		var r room
		if err := list.Decode(&r); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all[r.name()] = r
	}
}

// floor is the number of the floor that a package is on; a room is on that of the package above it.
func floor(t *testing.T, name string) int {
	t.Helper()
	n := slices.IndexFunc(floors, func(f string) bool { return name == f || strings.HasPrefix(name, f+"/") })
	if n < 0 {
		t.Fatalf("%s is on no floor", name)
	}
	return n
}

// Imports point down. The go command sees to it that they make no circle.
func TestImportsPointOneWay(t *testing.T) {
	for name, r := range rooms(t) {
		for _, other := range below(slices.Concat(r.Imports, r.TestImports, r.XTestImports)...) {
			if floor(t, other) < floor(t, name) {
				t.Errorf("%s imports %s, which is above it", name, other)
			}
		}
	}
}

func TestPackagesStaySmall(t *testing.T) {
	for name, r := range rooms(t) {
		lines := 0
		for _, file := range r.GoFiles {
			text, err := os.ReadFile(filepath.Join(r.Dir, file))
			if err != nil {
				t.Fatal(err)
			}
			lines += bytes.Count(text, []byte("\n"))
		}
		if len(r.GoFiles) > maxSize || lines > maxLong {
			t.Errorf("%s has %d files and %d lines, want at most %d and %d: which of its topics has a door of its own?",
				name, len(r.GoFiles), lines, maxSize, maxLong)
		}
	}
}

// The drawing shows who imports whom, without the imports that others imply. Where it is not true any more, this test
// prints the one that is.
func TestDrawingInContributing(t *testing.T) {
	const path = "../../CONTRIBUTING.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if drawing := draw(rooms(t)); !strings.Contains(string(text), drawing) {
		t.Errorf("CONTRIBUTING.md shows other imports than there are. Put this there:\n%s", drawing)
	}
}

// draw returns a graph of the imports of the program.
func draw(all map[string]room) string {
	var text strings.Builder
	text.WriteString("```mermaid\ngraph TD\n")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		direct := below(all[name].Imports...)
		if strings.HasPrefix(name, "integration") {
			continue
		}
		for _, other := range direct {
			implied := slices.ContainsFunc(direct, func(way string) bool { return way != other && reaches(all, way, other) })
			if !implied {
				fmt.Fprintf(&text, "    %s --> %s\n", name, other)
			}
		}
	}
	text.WriteString("```\n")
	return text.String()
}

func reaches(all map[string]room, from, to string) bool {
	next := below(all[from].Imports...)
	return slices.Contains(next, to) || slices.ContainsFunc(next, func(way string) bool { return reaches(all, way, to) })
}
