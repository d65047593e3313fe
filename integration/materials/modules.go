package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const program = "github.com/tunneld/tunneld/cmd/tunneld"

// systems are those that the program is built for. Another may need another module.
var systems = []string{"linux", "darwin", "freebsd", "windows"}

// module is one that the program is built from.
type module struct {
	Path, Version, Dir string
	Main               bool
	packages           []string // directories of those that are in the program
}

// modules returns those whose packages are in the program on any system, by path.
func modules() ([]module, error) {
	found := make(map[string]module)
	for _, system := range systems {
		list := exec.Command("go", "list", "-deps", "-json=Dir,Module", program)
		list.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
		list.Stderr = os.Stderr
		text, err := list.Output()
		if err != nil {
			return nil, fmt.Errorf("go list for %s: %w", system, err)
		}
		for in := json.NewDecoder(bytes.NewReader(text)); ; {
			var p struct {
				Dir    string
				Module *module
			}
			if err := in.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, err
			}
			if p.Module != nil && !p.Module.Main {
				p.Module.packages = append(found[p.Module.Path].packages, p.Dir)
				found[p.Module.Path] = *p.Module
			}
		}
	}
	return slices.SortedFunc(maps.Values(found), func(a, b module) int { return cmp.Compare(a.Path, b.Path) }), nil
}

// toolchain is Go itself, whose library is in the program as well. It has no version here: each build has its own.
func toolchain() (module, error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	return module{Path: "Go's standard library", Dir: strings.TrimSpace(string(root))}, err
}

// licence returns the name that SPDX has for the licence of a module, and its text.
func (m module) licence() (name, text string, err error) {
	paths := append(named(m.Dir, "LICENSE*"), named(m.Dir, "COPYING*")...)
	if len(paths) == 0 {
		return "", "", fmt.Errorf("%s has no licence", m.Path)
	}
	return licenceIn(paths[0])
}

// licenceIn returns the name and the text of the licence in a file.
func licenceIn(path string) (name, text string, err error) {
	if text, err = textOf(path); err != nil {
		return "", "", err
	}
	if name = recognize(text); name == "" {
		return "", "", fmt.Errorf("nobody knows the licence in %s", path)
	}
	return name, text, nil
}

// textOf returns what stands in a file, without the blank at its ends.
func textOf(path string) (string, error) {
	data, err := os.ReadFile(path)
	return strings.TrimSpace(strings.ReplaceAll(string(data), "\r", "")), err
}

func named(dir, pattern string) []string {
	paths, _ := filepath.Glob(filepath.Join(dir, pattern))
	return paths
}

// notices returns the NOTICE files of a module, which have to go with each copy of the program (Apache License 2.0, section 4d).
func (m module) notices() []string { return named(m.Dir, "NOTICE*") }

// parts returns the directories, below that of the module, that have a licence of their own and are in the program: what the module
// itself has copied from elsewhere.
func (m module) parts() (dirs []string) {
	for _, dir := range m.packages {
		for ; len(dir) > len(m.Dir); dir = filepath.Dir(dir) {
			if len(named(dir, "LICENSE*")) > 0 && !slices.Contains(dirs, dir) {
				dirs = append(dirs, dir)
			}
		}
	}
	slices.Sort(dirs)
	return dirs
}

// marks are sentences that only one licence has, and how SPDX calls it.
var marks = []struct{ sentence, name string }{
	{"Apache License Version 2.0", "Apache-2.0"},
	{"Permission is hereby granted, free of charge", "MIT"},
	{"Mozilla Public License Version 2.0", "MPL-2.0"},
	{"Permission to use, copy, modify, and/or distribute", "ISC"},
}

// recognize returns the SPDX expression of a licence's text; empty where it is not known.
func recognize(text string) string {
	flat := strings.Join(strings.Fields(strings.ReplaceAll(text, ",", "")), " ")
	var names []string
	for _, mark := range marks {
		if strings.Contains(flat, strings.ReplaceAll(mark.sentence, ",", "")) {
			names = append(names, mark.name)
		}
	}
	switch {
	case !strings.Contains(flat, "Redistribution and use in source and binary forms"):
	case strings.Contains(flat, "may be used to endorse or promote"):
		names = append(names, "BSD-3-Clause")
	default:
		names = append(names, "BSD-2-Clause")
	}
	slices.Sort(names)
	return strings.Join(names, " AND ")
}
