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
}

// modules returns those whose packages are in the program on any system, by path.
func modules() ([]module, error) {
	found := make(map[string]module)
	for _, system := range systems {
		list := exec.Command("go", "list", "-deps", "-json=Module", program)
		list.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
		list.Stderr = os.Stderr
		text, err := list.Output()
		if err != nil {
			return nil, fmt.Errorf("go list for %s: %w", system, err)
		}
		for in := json.NewDecoder(bytes.NewReader(text)); ; {
			var p struct{ Module *module }
			if err := in.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, err
			}
			if p.Module != nil && !p.Module.Main {
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
	paths, _ := filepath.Glob(filepath.Join(m.Dir, "LICENSE*"))
	if len(paths) == 0 {
		paths, _ = filepath.Glob(filepath.Join(m.Dir, "COPYING*"))
	}
	if len(paths) == 0 {
		return "", "", fmt.Errorf("%s has no licence", m.Path)
	}
	data, err := os.ReadFile(paths[0])
	if err != nil {
		return "", "", err
	}
	text = strings.TrimSpace(strings.ReplaceAll(string(data), "\r", ""))
	if name = recognize(text); name == "" {
		return "", "", fmt.Errorf("%s has a licence that nobody knows: %s", m.Path, paths[0])
	}
	return name, text, nil
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
