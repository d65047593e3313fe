package follow

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/glob"
)

// young is the age below which a file may change once more without looking newer: clocks of file systems are coarse.
const young = 2 * time.Second

// stamp tells a file, or what a pattern stands for, from what it becomes.
type stamp struct {
	file  fs.FileInfo // nil: there is none, or text says why it cannot be read
	text  string
	young bool // it may have changed since
}

func (s stamp) same(other stamp) bool {
	if s.young || other.young || s.text != other.text || (s.file == nil) != (other.file == nil) {
		return false
	}
	a, b := s.file, other.file
	return a == nil || os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && a.Mode() == b.Mode()
}

// missing reports whether there is no such file.
func (s stamp) missing() bool { return s.file == nil && s.text == "" }

// fileStamp looks at a file. It opens it: whoever may read it is not in its stamp.
func fileStamp(path string, now time.Time) stamp {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return stamp{}
	case err != nil:
		return stamp{text: err.Error()}
	case info.Mode().IsRegular():
		handle, err := os.Open(path)
		if err != nil {
			return stamp{text: err.Error()}
		}
		handle.Close() // nothing was read
	}
	return stamp{file: info, young: now.Sub(info.ModTime()) < young}
}

// findings are what a configuration was made of, and how that looked.
type findings struct {
	inputs config.Inputs
	stamps map[string]stamp // by path; a pattern's have patternMark before it
	self   string           // who and where we are
	at     time.Time
	epoch  uint64
}

const patternMark = "\x00"

// examine looks at inputs as they are now, or were a moment ago.
func (s *Source) examine(inputs config.Inputs) findings {
	s.mu.Lock()
	epoch := s.epoch
	s.mu.Unlock()
	s.looking.Lock()
	defer s.looking.Unlock()
	now := time.Now()
	if s.stamps == nil || s.then != epoch || now.Sub(s.looked) >= glance {
		s.looked, s.then, s.stamps = now, epoch, make(map[string]stamp)
		s.self = identity(s.environment)
	}
	f := findings{inputs: inputs, stamps: make(map[string]stamp, len(inputs.Files)+len(inputs.Patterns)), self: s.self, at: now, epoch: epoch}
	for _, path := range inputs.Files {
		f.stamps[path] = s.stampLooking(path, func() stamp { return fileStamp(path, now) })
	}
	for _, pattern := range inputs.Patterns {
		f.stamps[patternMark+pattern] = s.stampLooking(patternMark+pattern, func() stamp {
			return stamp{text: strings.Join(glob.Files(pattern), patternMark)}
		})
	}
	return f
}

// stampLooking returns what a file looked like a moment ago, or looks. The caller has s.looking.
func (s *Source) stampLooking(name string, look func() stamp) stamp {
	known, ok := s.stamps[name]
	if !ok {
		known = look()
		s.stamps[name] = known
	}
	return known
}

// identity is what of the environment may change while a process runs: the name of a laptop does with the network.
func identity(environment func() (config.Environment, error)) string {
	e, err := environment()
	if err != nil {
		return err.Error()
	}
	return strings.Join([]string{e.HostName, e.LocalUser, e.Home}, patternMark)
}

// extend returns f for the inputs of what has been read since: what f knows was looked at before that.
func (s *Source) extend(f findings, inputs config.Inputs) findings {
	more := s.examine(inputs)
	for name := range more.stamps {
		if known, ok := f.stamps[name]; ok {
			more.stamps[name] = known
		}
	}
	more.self, more.at, more.epoch = f.self, time.Now(), f.epoch
	return more
}

// holds reports whether what was found is so still.
func (s *Source) holds(f findings) bool {
	if f.cannotBeReadAgain() {
		return true
	}
	now := s.examine(f.inputs)
	if f.inputs.Live && (now.epoch != f.epoch || time.Since(f.at) >= moment) {
		return false
	}
	return now.self == f.self && maps.EqualFunc(f.stamps, now.stamps, stamp.same)
}

// cannotBeReadAgain reports whether a file is no file: what came through a pipe (-F <(...)) is not there a second time.
func (f findings) cannotBeReadAgain() bool {
	return slices.ContainsFunc(slices.Collect(maps.Values(f.stamps)), func(s stamp) bool {
		return s.file != nil && !s.file.Mode().IsRegular() && !s.file.IsDir()
	})
}

// vanished returns a file that was there before and is not; empty: none.
func (f findings) vanished(before findings) string {
	for _, name := range slices.Sorted(maps.Keys(before.stamps)) {
		if before.stamps[name].file != nil && f.stamps[name].missing() && !strings.HasPrefix(name, patternMark) {
			return name
		}
	}
	return ""
}
