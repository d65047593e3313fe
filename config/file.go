package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"unique"

	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/config/sshpattern"
)

// maxDepth is how deep files may include each other (READCONF_MAX_DEPTH).
const maxDepth = 16

// file is how one configuration file is read.
type file struct {
	path    string
	user    bool // the user's: "~" is allowed, and relative names are below ~/.ssh
	final   bool // in the second pass
	checked bool // owner and permissions were found to be safe
	never   bool // included from a block that is not active: it is checked and nothing of it holds
	depth   int
}

// readFile reads one file into the resolver. A file that does not exist is fs.ErrNotExist; all other problems are noted.
func (r *resolver) readFile(f *file, checkPermission bool, active *bool) error {
	if f.depth > maxDepth {
		r.problem(&Error{Source: Source{File: f.path}, Text: fmt.Sprintf("files include each other more than %d deep", maxDepth)})
		r.stopped = true // a file that includes itself twice would be read 2^16 times
		return nil
	}
	r.doc.trace.sought[f.path] = true
	c, err := r.env.Once.read(f.path, r.env.UID)
	if err != nil {
		return err
	}
	f.checked = c.safe
	if checkPermission && !f.checked {
		r.problem(insecure(f.path, c.info, r.env.account()))
		return nil
	}
	text := c.text
	if c.info.IsDir() && f.depth == 0 { // empty, in OpenSSH's eyes
		r.unread(f.path, syscall.EISDIR)
		return nil
	}
	r.doc.trace.read(f)
	known := r.req.Quiet.Of(f.path, text, f.user)
	for number := 1; text != "" && !r.stopped; number++ {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		if !*active && known.Is(number) {
			continue
		}
		troubles := r.troubles()
		r.ordinary = false
		r.process(line, Source{File: f.path, Line: number}, f, active)
		if !*active && r.ordinary && r.troubles() == troubles {
			known.Note(number)
		}
		if r.ctx.Err() != nil {
			return r.ctx.Err()
		}
	}
	return nil
}

// maxFile is the size in bytes above which a file, such as /dev/zero, is taken for no configuration.
const maxFile = 16 << 20

// readAll reads a file. A directory counts as an empty file, as in OpenSSH.
func readAll(handle *os.File, info fs.FileInfo) (string, error) {
	if info.IsDir() {
		return "", nil
	}
	text, err := io.ReadAll(io.LimitReader(handle, maxFile+1))
	if len(text) > maxFile {
		return "", fmt.Errorf("larger than %d MiB", maxFile>>20)
	}
	return unique.Make(string(text)).Value(), err // the options of each alias keep what they are cut from
}

// readFiles reads the files in their order: the user's, then the system's, or only the one of -F.
func (r *resolver) readFiles(final bool) {
	if r.configFile != "" {
		if lower(r.configFile) == "none" {
			return
		}
		active := true
		if err := r.readFile(&file{path: r.configFile, user: true, final: final}, false, &active); err != nil {
			e := unreadable(r.configFile, err, r.env.account())
			r.problem(&Error{Text: fmt.Sprintf("cannot open configuration file %s: %s", r.configFile, strings.TrimPrefix(e.Text, "cannot be read: ")), Hint: e.Hint})
		}
		return
	}
	r.readDefaultFile(&file{path: r.env.UserFile, user: true, final: final}, true)
	r.readDefaultFile(&file{path: r.env.SystemFile, final: final}, false)
}

func (r *resolver) readDefaultFile(f *file, checkPermission bool) {
	if f.path == "" {
		return
	}
	active := true
	err := r.readFile(f, checkPermission, &active)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.unread(f.path, err)
	}
}

// reason returns the cause of a file error without the path, which the message names already.
func reason(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// process handles one line of a file, or one -o where f is nil.
func (r *resolver) process(text string, from Source, f *file, active *bool) {
	if err := r.processLine(text, from, f, active); err != nil {
		r.problem(err)
	}
}

func (r *resolver) processLine(text string, from Source, f *file, active *bool) *Error {
	cursor := cursor{rest: trimLine(text)}
	word, ok := cursor.next()
	if ok && word == "" { // blanks before the keyword
		word, ok = cursor.next()
	}
	if !ok || word == "" || word[0] == '#' {
		return nil
	}
	written := lower(word)
	raw := strings.TrimLeft(cursor.rest, whitespace)
	if cursor.done || raw == "" {
		return &Error{Source: from, Text: fmt.Sprintf("%s: an argument is missing", word)}
	}
	args, err := splitWords(raw, true)
	if err != nil {
		return &Error{Source: from, Text: fmt.Sprintf("%s: %v in %q", word, err, raw)}
	}
	l := &line{r: r, source: from, written: written, raw: raw, args: args, active: *active, file: f}
	if problem := r.dispatch(l, word, active); problem != nil {
		return problem
	}
	if len(l.args) > 0 {
		return l.fail("extra argument %q at the end of the line", l.args[0])
	}
	return nil
}

// dispatch finds out what the keyword is and lets it read its arguments.
func (r *resolver) dispatch(l *line, word string, active *bool) *Error {
	switch l.written {
	case "host", "match", "include":
		return r.structure(l, active)
	}
	known, ok := keywords()[l.written]
	switch {
	case ok:
		l.keyword, r.ordinary = known, true
		return known.parse(l)
	case sshpattern.MatchList(l.written, r.doc.value("IgnoreUnknown"), true) == sshpattern.Positive:
		l.args = nil
		if l.active {
			r.doc.trace.ignored(l.source, word, "IgnoreUnknown")
		}
		return nil
	}
	return unknownKeyword(l.source, word, l.written)
}

// structure handles the three keywords that decide which lines hold.
func (r *resolver) structure(l *line, active *bool) *Error {
	names := map[string]string{"host": "Host", "match": "Match", "include": "Include"}
	l.keyword = keyword{name: names[l.written]}
	if l.file == nil {
		return l.fail("not allowed on the command line")
	}
	switch l.written {
	case "host":
		return l.host(active)
	case "match":
		return l.match(active)
	}
	return l.include(active)
}

func unknownKeyword(from Source, word, written string) *Error {
	problem := &Error{Source: from, Text: fmt.Sprintf("%q is not a keyword of ssh_config(5)", word)}
	if near := suggestion(written); near != "" {
		problem.Text += fmt.Sprintf("; did you mean %s?", near)
	}
	if strings.HasPrefix(word, "\ufeff") {
		problem.Hint = "the file begins with a byte order mark; save it without one"
	} else {
		problem.Hint = fmt.Sprintf("if another program reads it, put the line \"IgnoreUnknown %s\" before it", foreign.Own(word))
	}
	return problem
}
