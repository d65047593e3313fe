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

// process is one process: the number alone may belong to another by the time it is used.
type process struct {
	pid     int
	parent  int
	started string // since boot, in clock ticks
}

// processes is a set of processes, parents before children.
type processes []process

// processTree gives pid and all that descend from it now; nothing when it has ended.
func processTree(pid int) processes {
	children := make(map[int]processes)
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, stat := range stats {
		if p, ok := readStat(stat); ok {
			children[p.parent] = append(children[p.parent], p)
		}
	}
	root, ok := readStat(fmt.Sprintf("/proc/%d/stat", pid))
	if !ok {
		return nil
	}
	tree := processes{root}
	for i := 0; i < len(tree); i++ {
		tree = append(tree, children[tree[i].pid]...)
	}
	return tree
}

// stopTree stops pid and all that descend from it with SIGSTOP. It looks again until it finds nobody new, because
// a process may have forked while the others were being stopped.
func stopTree(pid int) processes {
	var stopped processes
	for {
		var fresh processes
		for _, p := range processTree(pid) {
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

// below gives all but the first.
func (ps processes) below() processes { return ps[min(1, len(ps)):] }

// signal sends s to all of them; who has ended is passed over.
func (ps processes) signal(s syscall.Signal) {
	for _, p := range ps {
		if now, ok := readStat(fmt.Sprintf("/proc/%d/stat", p.pid)); ok && now.started == p.started {
			syscall.Kill(p.pid, s)
		}
	}
}

// readStat reads /proc/PID/stat; false for a process that has ended. The name in parentheses may hold blanks and
// parentheses.
func readStat(path string) (p process, ok bool) {
	data, err := os.ReadFile(path)
	if err != nil {
		return p, false
	}
	text := string(data)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:]) // from the third on: state, parent, ...
	if len(fields) < 20 || fields[0] == "Z" {
		return p, false
	}
	p.started = fields[19]
	if p.pid, err = strconv.Atoi(filepath.Base(filepath.Dir(path))); err != nil {
		return p, false
	}
	p.parent, err = strconv.Atoi(fields[1])
	return p, err == nil
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
