// Package build says what is known of how this program was made.
package build

import (
	"runtime/debug"
	"strings"
)

// Version returns the version that the linker was told, if it was, else what Go knows; see versionOf.
func Version(linked string) string {
	info, _ := debug.ReadBuildInfo()
	return versionOf(linked, info)
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

// writtenOn is the date of the manual page where the commit's is not known.
const writtenOn = "2026-11-22"

// Date returns the date of the commit that this program was built from.
func Date() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		if day, _, found := strings.Cut(setting(info, "vcs.time"), "T"); found {
			return day
		}
	}
	return writtenOn
}

func setting(info *debug.BuildInfo, key string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}
