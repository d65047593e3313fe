package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	spoken = regexp.MustCompile("`(tunneld [a-z][^`\n]*)`")                      // within a sentence
	typed  = regexp.MustCompile(`(?m)^(?:#? {2,}|\$ |sudo )*(tunneld [a-z].*)$`) // a line of its own
	fenced = regexp.MustCompile("(?s)```sh\n(.*?)```")
)

// commandsIn returns the commands of ours that a text has.
func commandsIn(text string) (commands []string) {
	block := ""
	for _, found := range fenced.FindAllStringSubmatch(text, -1) {
		block += found[1]
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimPrefix(line, "#"), "   ") {
			block += line
		}
	}
	for _, found := range append(spoken.FindAllStringSubmatch(text, -1), typed.FindAllStringSubmatch(block, -1)...) {
		commands = append(commands, found[1])
	}
	return commands
}

// A command that a document speaks of is one that there is, with options that it has.
func TestDocumentsSpeakOfRealCommands(t *testing.T) {
	paths, _ := filepath.Glob("../../docs/*.md")
	paths = append(paths, "../../README.md", "../../SECURITY.md", "../../.github/ISSUE_TEMPLATE/bug.yml")
	units, _ := filepath.Glob("../../deploy/systemd/*.*")
	commands := 0
	for _, path := range append(paths, units...) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		}
		for _, command := range commandsIn(string(text)) {
			commands++
			if err := understood(command); err != nil {
				t.Errorf("%s: %s: %v", path, command, err)
			}
		}
	}
	if commands < 80 {
		t.Errorf("only %d commands were found", commands)
	}
}

// understood returns what is wrong with a command as it is typed, as far as can be said without running it.
func understood(command string) error {
	command = regexp.MustCompile(`\s+[|>#;].*| =.*`).ReplaceAllString(command, "")
	words := strings.Fields(strings.NewReplacer(`'`, "", `"`, "", "…", "").Replace(command))
	cmd, rest, err := rootCommand().Find(words[1:])
	if err != nil {
		return err
	}
	if !cmd.HasParent() {
		return errors.New("no such command")
	}
	if cmd.DisableFlagParsing {
		return nil
	}
	return cmd.ParseFlags(rest)
}
