package config

import (
	"maps"
	"slices"
)

// trace remembers, for Explain, what was read without effect, and why.
type trace struct {
	blocks []block
	unused []unused
	files  []string        // read, in order
	system []string        // those of files that are the system's
	places map[Source]int  // of each block
	noted  map[unused]bool // what is in unused
	named  bool            // a Host or Match that names hosts, and not just "*", held

	sought   map[string]bool // files that were looked for, there or not
	patterns map[string]bool // of Include
	live     bool            // see Inputs.Live
}

func newTrace() *trace {
	return &trace{places: map[Source]int{}, noted: map[unused]bool{}, sought: map[string]bool{}, patterns: map[string]bool{}}
}

// Inputs are what a configuration was made of besides the command line and the environment: made of the same, it would be the same.
type Inputs struct {
	Files    []string // that were looked for, whether they were there or not
	Patterns []string // of Include, as paths; what they stand for is among Files
	Live     bool     // commands of "Match exec", the addresses of this machine or name servers had a say, and may say something else
}

// Inputs returns what o was made of, its jump hosts included.
func (o *Options) Inputs() Inputs {
	var in Inputs
	files, patterns := map[string]bool{}, map[string]bool{}
	for hop := o; hop != nil && hop.trace != nil; hop = hop.Via {
		maps.Copy(files, hop.trace.sought)
		maps.Copy(patterns, hop.trace.patterns)
		in.Live = in.Live || hop.trace.live
	}
	in.Files, in.Patterns = slices.Sorted(maps.Keys(files)), slices.Sorted(maps.Keys(patterns))
	return in
}

// block is one Host or Match line.
type block struct {
	source Source
	header string // "Host web*"
	active bool   // in any pass
	reason string // why it was skipped
}

// unused is one option that was read in an active block and did not become effective.
type unused struct {
	source         Source
	keyword, value string
	reason         string
}

// entered notes a Host or Match line. The second pass may activate what the first one skipped.
func (t *trace) entered(b block) {
	i, known := t.places[b.source]
	switch {
	case !known:
		t.places[b.source] = len(t.blocks)
		t.blocks = append(t.blocks, b)
	case b.active || !t.blocks[i].active:
		t.blocks[i] = b
	}
}

func (t *trace) shadowed(source Source, keyword, value string) {
	t.note(unused{source, keyword, value, "an earlier value wins"})
}

func (t *trace) ignored(source Source, keyword, reason string) {
	t.note(unused{source, keyword, "", reason})
}

func (t *trace) note(u unused) {
	if !t.noted[u] {
		t.noted[u] = true
		t.unused = append(t.unused, u)
	}
}

func (t *trace) read(f *file) {
	if !slices.Contains(t.files, f.path) {
		t.files = append(t.files, f.path)
	}
	if !f.user && !slices.Contains(t.system, f.path) {
		t.system = append(t.system, f.path)
	}
}

func (t *trace) isSystem(path string) bool { return slices.Contains(t.system, path) }
