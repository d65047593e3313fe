package config

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// The page on settings has a table of tunneld's own keywords. It is made of their rows.
func TestSettingsHaveEachOwnKeyword(t *testing.T) {
	page, err := os.ReadFile("../docs/settings.md")
	if err != nil {
		t.Fatal(err)
	}
	want := "| keyword | default | meaning |\n|---|---|---|\n"
	for _, s := range Settings() {
		want += fmt.Sprintf("| %s | %s | %s |\n", s.Keyword, s.Default, s.Meaning)
	}
	if !strings.Contains(string(page), "\n"+want+"\n") {
		t.Errorf("the table of keywords in docs/settings.md is to be:\n%s", want)
	}
}

// A row that cannot be read, printed or explained is a mistake in the table.
func TestEachRowIsWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range table() {
		for _, name := range append(slices.Clone(k.others), lower(k.name)) {
			if seen[name] {
				t.Errorf("%s stands in two rows", name)
			}
			seen[name] = true
		}
		if k.parse == nil || k.print == nil || k.wants == "" {
			t.Errorf("%s: a parser, a printer or what it wants is missing", k.name)
		}
		if k.isOwn() != strings.HasPrefix(k.name, "Tunneld") {
			t.Errorf("%s: a keyword of ours has a meaning, one of ssh's has none", k.name)
		}
		if k.isOwn() && (k.initial == nil || k.fill == nil) {
			t.Errorf("%s: without a default, or nobody gets its value", k.name)
		}
	}
}

// Two keywords that take the same option of ssh(1) would each hide the other.
func TestEachLetterSetsOneKeyword(t *testing.T) {
	owner := map[byte]string{}
	for _, k := range table() {
		for letter := range k.letters {
			if other, taken := owner[letter]; taken {
				t.Errorf("-%c sets %s and %s", letter, other, k.name)
			}
			owner[letter] = k.name
		}
	}
}
