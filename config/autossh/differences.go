package autossh

// Difference is a command line or a setting that does something else here than under autossh 1.4g.
type Difference struct {
	Name    string // short, for tests
	Example string // of a command line or a variable
	Theirs  string // what autossh does with it
	Ours    string // what happens here, and why
}
