package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// pids is a set of processes, parents before children.
type pids []int

// processTree gives pid and all that descend from it now.
func processTree(pid int) pids {
	children := make(map[int][]int)
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, stat := range stats {
		if child, parent, ok := readStat(stat); ok {
			children[parent] = append(children[parent], child)
		}
	}
	tree := pids{pid}
	for i := 0; i < len(tree); i++ {
		tree = append(tree, children[tree[i]]...)
	}
	return tree
}

// stopTree stops pid and all that descend from it with SIGSTOP. It looks again until it finds nobody new, because
// a process may have forked while the others were being stopped.
func stopTree(pid int) pids {
	var stopped pids
	for {
		tree := processTree(pid)
		var fresh pids
		for _, p := range tree {
			if !slices.Contains(stopped, p) {
				fresh = append(fresh, p)
			}
		}
		if len(fresh) == 0 {
			return stopped
		}
		fresh.signal(syscall.SIGSTOP)
		stopped = append(stopped, fresh...)
	}
}

// signal sends s to all of them; who has ended is passed over.
func (p pids) signal(s syscall.Signal) {
	for _, pid := range p {
		syscall.Kill(pid, s)
	}
}

// readStat reads pid and parent of /proc/PID/stat. The name in parentheses may hold blanks and parentheses.
func readStat(path string) (pid, parent int, ok bool) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, 0, false
	}
	text := string(data)
	pid, err = strconv.Atoi(filepath.Base(filepath.Dir(path)))
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if err != nil || len(fields) < 2 || fields[0] == "Z" {
		return 0, 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	return pid, parent, err == nil
}

// descriptors counts the open files of a process, by what they are: socket, pipe, or a path.
func descriptors(pid int) (int, map[string]int) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, _ := os.ReadDir(dir)
	kinds := make(map[string]int)
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil {
			continue
		}
		if kind, _, found := strings.Cut(target, ":["); found {
			target = kind
		}
		kinds[target]++
	}
	return len(entries), kinds
}
