// Package build says what is known of how this program was made.
package build

import (
	_ "embed"
	"fmt"
	"regexp"
	"runtime/debug"
	"strings"
)

// Origin is what a program was built from. A part that is not known is empty, but for the version: that is "devel".
type Origin struct {
	Version string // as v1.2.3, or what says more where there is no tag
	Commit  string // of git, all of it
	Date    string // of the commit, as 2006-01-02
}

// archived is written by git archive, and so into the tarball of sources of each release.
//
//go:embed origin.txt
var archived string

// Of returns what is known: what the linker was told, else what Go has seen of the checkout or of the module, else what stands in a
// tarball of sources.
func Of(linked Origin) Origin {
	info, _ := debug.ReadBuildInfo()
	return of(linked, info, archived)
}

// String returns the commit and its date in words that follow a version; empty where they are not known.
func (o Origin) String() string {
	if o.Commit == "" {
		return ""
	}
	text := fmt.Sprintf(", commit %.12s", o.Commit)
	if o.Date != "" {
		text += " of " + o.Date
	}
	return text
}

func of(linked Origin, info *debug.BuildInfo, archive string) Origin {
	o, from := linked, fromArchive(archive)
	if o.Commit == "" {
		o.Commit, o.Date = fromModule(info)
	}
	if o.Commit == "" {
		o.Commit, o.Date = from.Commit, from.Date
	}
	o.Date, _, _ = strings.Cut(o.Date, "T")
	o.Version = versionOf(linked.Version, info)
	if o.Version == "devel" && from.Version != "" {
		o.Version = from.Version
	}
	return o
}

// versionOf returns the version that the linker was told, else that of the module, which Go knows for `go install MODULE@VERSION` and
// for a build in a checkout, else the commit. Where nothing is known, as with go run or without .git, it is "devel".
func versionOf(linked string, info *debug.BuildInfo) string {
	switch {
	case linked != "":
		return linked
	case info == nil:
		return "devel"
	case info.Main.Version != "" && info.Main.Version != "(devel)":
		return info.Main.Version
	}
	commit := setting(info, "vcs.revision")
	if commit == "" {
		return "devel"
	}
	text := "devel-" + commit[:min(len(commit), 12)]
	if setting(info, "vcs.modified") == "true" {
		text += "+dirty"
	}
	return text
}

// pseudo is a version of Go's own making, for a commit without a tag: its time and its hash are the end of it.
var pseudo = regexp.MustCompile(`[-.](\d{4})(\d\d)(\d\d)\d{6}-([0-9a-f]{12})(\+|$)`)

// fromModule returns the commit that Go has seen: of the checkout, or of the module that `go install` was asked for, as far as the
// version says it. That of a tag does not.
func fromModule(info *debug.BuildInfo) (commit, date string) {
	if info == nil {
		return "", ""
	}
	if commit = setting(info, "vcs.revision"); commit != "" {
		return commit, setting(info, "vcs.time")
	}
	if found := pseudo.FindStringSubmatch(info.Main.Version); found != nil {
		return found[4], found[1] + "-" + found[2] + "-" + found[3]
	}
	return "", ""
}

// fromArchive reads origin.txt: the commit, its date, and its tag or what describes it, if there is one.
func fromArchive(text string) (o Origin) {
	words := strings.Fields(text)
	if len(words) < 2 || strings.HasPrefix(text, "$Format") {
		return Origin{}
	}
	o = Origin{Commit: words[0], Date: words[1], Version: "devel-" + words[0][:min(len(words[0]), 12)]}
	if len(words) > 2 {
		o.Version = words[2]
	}
	return o
}

// WrittenOn is the date of the manual page where the commit's is not known.
const WrittenOn = "2026-11-22"

func setting(info *debug.BuildInfo, key string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}
