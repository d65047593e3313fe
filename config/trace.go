package config

// trace remembers, for Explain, what was read without effect, and why.
type trace struct {
	blocks []block
	unused []unused
	files  []string        // read, in order
	system []string        // those of files that are the system's
	places map[Source]int  // of each block
	noted  map[unused]bool // what is in unused
	named  bool            // a Host or Match that names hosts, and not just "*", held
}

func newTrace() *trace { return &trace{places: map[Source]int{}, noted: map[unused]bool{}} }

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
	if !containsExact(t.files, f.path) {
		t.files = append(t.files, f.path)
	}
	if !f.user && !containsExact(t.system, f.path) {
		t.system = append(t.system, f.path)
	}
}

func (t *trace) isSystem(path string) bool { return containsExact(t.system, path) }
