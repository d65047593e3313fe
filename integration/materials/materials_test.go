package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }

// Whoever passes the program on has to pass these on: the list is that of the modules which are in it.
func TestLicencesAreListed(t *testing.T) {
	var want bytes.Buffer
	if err := printLicences(&want); err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile("../../docs/licences.md")
	if err != nil || !bytes.Equal(have, want.Bytes()) {
		t.Errorf("docs/licences.md is not what `make licences` makes (%v): type that, and commit it", err)
	}
	for _, module := range []string{"golang.org/x/crypto | BSD-3-Clause", "github.com/spf13/cobra | Apache-2.0", "Go's standard library | BSD-3-Clause"} {
		if !strings.Contains(want.String(), "| "+module+" |") {
			t.Errorf("no %s in the list", module)
		}
	}
	// A notice goes with the program, and so does the licence of what a module has copied.
	for _, text := range []string{
		"\n## Notice of github.com/prometheus/client_golang\n\n    Prometheus instrumentation library for Go applications\n",
		"\n## Notice of github.com/coreos/go-systemd/v22\n\n    CoreOS Project\n",
		"| github.com/prometheus/client_golang/internal/github.com/golang/gddo | BSD-3-Clause |",
	} {
		if !strings.Contains(want.String(), text) {
			t.Errorf("no %q", text)
		}
	}
}

// The bill of a program names what the program says of itself, and is the same each time.
func TestBillOfMaterials(t *testing.T) {
	binary, err := lab.PlainBinary()
	if err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	for _, out := range []*bytes.Buffer{&first, &second} {
		if err := run([]string{"sbom", binary, "v1.2.3"}, out); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("two bills of one program differ")
	}
	var b bill
	if err := json.Unmarshal(first.Bytes(), &b); err != nil {
		t.Fatal(err)
	}
	uuid := regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`) // of CycloneDX's schema, for version 8
	if b.Format != "CycloneDX" || b.Spec != "1.5" || b.Version != 1 || !uuid.MatchString(b.Serial) || b.Metadata.Component.Name != "tunneld" || b.Metadata.Component.Version != "v1.2.3" {
		t.Errorf("the bill begins with %.300s", first.String())
	}
	found := make(map[string]bool)
	for _, c := range b.Components {
		found[c.Name] = c.Version != "" && len(c.Licenses) == 1
		if !strings.HasPrefix(c.PURL, "pkg:golang/"+c.Name+"@") {
			t.Errorf("%s has the address %s", c.Name, c.PURL)
		}
	}
	for _, name := range []string{"stdlib", "golang.org/x/crypto", "github.com/spf13/cobra", "github.com/prometheus/client_golang"} {
		if !found[name] {
			t.Errorf("%s is not in the bill, or without version or licence", name)
		}
	}
}

func TestRecognize(t *testing.T) {
	for file, want := range map[string]string{"../../LICENSE": "MIT"} {
		text, err := os.ReadFile(filepath.FromSlash(file))
		if err != nil || recognize(string(text)) != want {
			t.Errorf("%s is recognized as %q (%v)", file, recognize(string(text)), err)
		}
	}
	if name := recognize("All rights reserved."); name != "" {
		t.Errorf("nothing is recognized as %s", name)
	}
}
