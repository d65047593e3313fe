package config

// trace remembers what was read and had no effect, and why, so that Explain can tell.
type trace struct {
	blocks []block
	unused []unused
	files  []string // read, in order
	system []string // those of files that are the system's
	named  bool     // a Host or Match that names hosts, and not just "*", held
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

// entered notes a Host or Match line. A second pass may make active what the first one skipped.
func (t *trace) entered(b block) {
	for i, known := range t.blocks {
		if known.source == b.source {
			if b.active || !known.active {
				t.blocks[i] = b
			}
			return
		}
	}
	t.blocks = append(t.blocks, b)
}

func (t *trace) shadowed(source Source, keyword, value string) {
	t.note(unused{source, keyword, value, "an earlier value wins"})
}

func (t *trace) ignored(source Source, keyword, reason string) {
	t.note(unused{source, keyword, "", reason})
}

func (t *trace) note(u unused) {
	for _, known := range t.unused {
		if known.source == u.source && known.keyword == u.keyword && known.value == u.value {
			return
		}
	}
	t.unused = append(t.unused, u)
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
