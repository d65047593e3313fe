package build

import (
	"runtime/debug"
	"testing"
)

// The version in every way of building.
func TestVersionOfEachBuild(t *testing.T) {
	info := func(version string, settings ...debug.BuildSetting) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: version}, Settings: settings}
	}
	commit := debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef0123"}
	for name, c := range map[string]struct {
		linked string
		info   *debug.BuildInfo
		want   string
	}{
		"make VERSION=v1.2.3":            {"v1.2.3", info("(devel)"), "v1.2.3"},
		"go install MODULE@v1.2.3":       {"", info("v1.2.3"), "v1.2.3"},
		"go build in a checkout":         {"", info("v0.0.0-20261122001931-0123456789ab+dirty", commit), "v0.0.0-20261122001931-0123456789ab+dirty"},
		"the same by an older Go":        {"", info("(devel)", commit), "devel-0123456789ab"},
		"and with changes":               {"", info("(devel)", commit, debug.BuildSetting{Key: "vcs.modified", Value: "true"}), "devel-0123456789ab+dirty"},
		"go run, or without .git":        {"", info("(devel)"), "devel"},
		"-buildvcs=false":                {"", info(""), "devel"},
		"a linker that strips it all":    {"", nil, "devel"},
		"an image with an empty VERSION": {"", info("v0.0.0-20261122001931-0123456789ab"), "v0.0.0-20261122001931-0123456789ab"},
	} {
		if got := versionOf(c.linked, c.info); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
