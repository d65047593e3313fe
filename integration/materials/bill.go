package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
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

// printBill writes what a program was built from, as the program itself knows it.
func printBill(out io.Writer, path string) error {
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
		Type: "application", Ref: "program", Name: filepath.Base(info.Path), Version: info.Main.Version, PURL: "pkg:golang/" + info.Main.Path,
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
	for _, dep := range info.Deps {
		m, err := locate(dep.Path + "@" + dep.Version)
		if err != nil {
			return err
		}
		if err := b.add(m, dep.Path, dep.Version); err != nil {
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

// locate finds the source of a module.
func locate(version string) (m module, err error) {
	text, err := exec.Command("go", "mod", "download", "-json", version).Output()
	if err != nil {
		return m, fmt.Errorf("go mod download %s: %w", version, err)
	}
	return m, json.Unmarshal(text, &m)
}
