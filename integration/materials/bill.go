package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
)

// bill is a bill of materials as CycloneDX 1.5 has it (https://cyclonedx.org/docs/1.5/json/), as far as it is of use here.
type bill struct {
	Format     string      `json:"bomFormat"`
	Spec       string      `json:"specVersion"`
	Serial     string      `json:"serialNumber"`
	Version    int         `json:"version"`
	Metadata   metadata    `json:"metadata"`
	Components []component `json:"components"`
}

type metadata struct {
	Component component `json:"component"`
}

type component struct {
	Type     string          `json:"type"`
	Ref      string          `json:"bom-ref"`
	Name     string          `json:"name"`
	Version  string          `json:"version"`
	PURL     string          `json:"purl"`
	Licenses []licenseChoice `json:"licenses,omitempty"`
	Hashes   []hash          `json:"hashes,omitempty"`
}

type licenseChoice struct {
	Expression string `json:"expression"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

// printBill writes what a program was built from, as the program itself knows it; its own version is said, because one that is built
// without a look at git has none.
func printBill(out io.Writer, path, version string) error {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	own := component{
		Type: "application", Ref: "program", Name: filepath.Base(info.Path), Version: version, PURL: "pkg:golang/" + info.Main.Path + "@" + version,
		Licenses: []licenseChoice{{"MIT"}}, Hashes: []hash{{"SHA-256", fmt.Sprintf("%x", sum)}},
	}
	b := bill{Format: "CycloneDX", Spec: "1.5", Serial: serial(sum), Version: 1, Metadata: metadata{own}}
	library, err := toolchain()
	if err != nil {
		return err
	}
	if err := b.add(library, "stdlib", info.GoVersion); err != nil {
		return err
	}
	sources, err := locate(info.Deps)
	if err != nil {
		return err
	}
	for _, dep := range info.Deps {
		if err := b.add(sources[dep.Path], dep.Path, dep.Version); err != nil {
			return err
		}
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(b)
}

// serial returns a UUID that is the program's, and the same for the same bytes (RFC 9562, version 8).
func serial(sum [sha256.Size]byte) string {
	sum[6] = sum[6]&0x0f | 0x80
	sum[8] = sum[8]&0x3f | 0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

func (b *bill) add(m module, name, version string) error {
	licence, _, err := m.licence()
	if err != nil {
		return err
	}
	purl := "pkg:golang/" + name + "@" + version
	b.Components = append(b.Components, component{
		Type: "library", Ref: purl, Name: name, Version: version, PURL: purl, Licenses: []licenseChoice{{licence}},
	})
	return nil
}

// locate finds the sources of modules, by path.
func locate(deps []*debug.Module) (map[string]module, error) {
	words := []string{"mod", "download", "-json"}
	for _, dep := range deps {
		words = append(words, dep.Path+"@"+dep.Version)
	}
	text, err := exec.Command("go", words...).Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w", strings.Join(words, " "), err)
	}
	found := make(map[string]module)
	for in := json.NewDecoder(bytes.NewReader(text)); ; {
		var m module
		if err := in.Decode(&m); errors.Is(err, io.EOF) {
			return found, nil
		} else if err != nil {
			return nil, err
		}
		found[m.Path] = m
	}
}
