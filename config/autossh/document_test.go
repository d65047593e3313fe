package autossh

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// The page for those who come from autossh has the list of differences as it is here. Where it is another, this test prints the one that is right.
func TestDifferencesInDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/autossh.md")
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	table.WriteString("| for example | autossh 1.4g | here |\n|---|---|---|\n")
	for _, d := range slices.Concat(Differences(), RunningDifferences()) {
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", d.Example, d.Theirs, d.Ours)
	}
	if !strings.Contains(string(text), table.String()) {
		t.Errorf("docs/autossh.md has another list of differences. Put this there:\n%s", table.String())
	}
}

// Every option and variable of autossh stands in that page's table of what to use instead.
func TestMigrationInDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/autossh.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(Usage("autossh") + "AUTOSSH_NTSERVICE\n") {
		word := strings.Fields(line + " .")[0]
		if (strings.HasPrefix(word, "AUTOSSH_") || strings.HasPrefix(word, "-")) && !strings.Contains(string(text), "| `"+word) {
			t.Errorf("docs/autossh.md does not say what replaces %s", word)
		}
	}
}
