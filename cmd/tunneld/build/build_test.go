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

// The commit and its date in every way of building.
func TestCommitOfEachBuild(t *testing.T) {
	const commit, moment = "0123456789abcdef0123", "2026-11-22T01:02:03Z"
	info := func(version string, settings ...debug.BuildSetting) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: version}, Settings: settings}
	}
	checkout := []debug.BuildSetting{{Key: "vcs.revision", Value: commit}, {Key: "vcs.time", Value: moment}}
	for name, c := range map[string]struct {
		linked  Origin
		info    *debug.BuildInfo
		archive string
		want    Origin
		words   string
	}{
		"a release": {Origin{"v1.2.3", commit, moment}, info("(devel)"), "$Format:%H$\n",
			Origin{"v1.2.3", commit, "2026-11-22"}, ", commit 0123456789ab of 2026-11-22"},
		"make VERSION=v1.2.3 in a checkout": {Origin{Version: "v1.2.3"}, info("v0.0.0-20261122001931-0123456789ab", checkout...), "$Format",
			Origin{"v1.2.3", commit, "2026-11-22"}, ", commit 0123456789ab of 2026-11-22"},
		"go install MODULE@v1.2.3": {Origin{}, info("v1.2.3"), "$Format", Origin{"v1.2.3", "", ""}, ""},
		"go install MODULE@main": {Origin{}, info("v1.2.4-0.20261122001931-0123456789ab"), "$Format",
			Origin{"v1.2.4-0.20261122001931-0123456789ab", "0123456789ab", "2026-11-22"}, ", commit 0123456789ab of 2026-11-22"},
		"a tarball of a tag": {Origin{}, info("(devel)"), commit + " 2026-11-22 v1.2.3\n",
			Origin{"v1.2.3", commit, "2026-11-22"}, ", commit 0123456789ab of 2026-11-22"},
		"a tarball without a tag": {Origin{}, info("(devel)"), commit + " 2026-11-22 \n",
			Origin{"devel-0123456789ab", commit, "2026-11-22"}, ", commit 0123456789ab of 2026-11-22"},
		"go run":                    {Origin{}, nil, "$Format", Origin{"devel", "", ""}, ""},
		"a commit without its date": {Origin{Commit: commit}, nil, "$Format", Origin{"devel", commit, ""}, ", commit 0123456789ab"},
	} {
		if got := of(c.linked, c.info, c.archive); got != c.want || got.String() != c.words {
			t.Errorf("%s: %+v and %q, want %+v and %q", name, got, got, c.want, c.words)
		}
	}
}
