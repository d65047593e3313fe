package lab

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
	Pid     int
	parent  int
	started string // since boot, in clock ticks
}

// Processes is a set of processes, parents before children.
type Processes []process

// Lives reports whether a process is there, and not a zombie.
func Lives(pid int) bool {
	_, ok := readStat(pid)
	return ok
}

// ProcessTree returns pid and all that descend from it now; nothing when it has ended.
func ProcessTree(pid int) Processes {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1)
	children := make(map[int]Processes)
	for _, name := range names {
		other, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if p, ok := readStat(other); ok {
			children[p.parent] = append(children[p.parent], p)
		}
	}
	root, ok := readStat(pid)
	if !ok {
		return nil
	}
	tree := Processes{root}
	for i := 0; i < len(tree); i++ {
		tree = append(tree, children[tree[i].Pid]...)
	}
	return tree
}

// StopTree stops pid and all that descend from it with SIGSTOP. It looks again until it finds nobody new, because
// a process may have forked while the others were being stopped.
func StopTree(pid int) Processes {
	var stopped Processes
	for {
		var fresh Processes
		for _, p := range ProcessTree(pid) {
			if !slices.Contains(stopped, p) {
				fresh = append(fresh, p)
			}
		}
		if len(fresh) == 0 {
			return stopped
		}
		fresh.Signal(syscall.SIGSTOP)
		stopped = append(stopped, fresh...)
	}
}

// Below returns all but the first.
func (ps Processes) Below() Processes { return ps[min(1, len(ps)):] }

// Signal sends s to all of them; who has ended is passed over.
func (ps Processes) Signal(s syscall.Signal) {
	for _, p := range ps {
		if now, ok := readStat(p.Pid); ok && now.started == p.started {
			syscall.Kill(p.Pid, s)
		}
	}
}

// readStat reads /proc/PID/stat; false for a process that has ended. The name in parentheses may hold blanks and
// parentheses.
func readStat(pid int) (p process, ok bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return p, false
	}
	text := string(data)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:]) // from the third on: state, parent, ...
	if len(fields) < 20 || fields[0] == "Z" {
		return p, false
	}
	p.Pid, p.started = pid, fields[19]
	p.parent, err = strconv.Atoi(fields[1])
	return p, err == nil
}

// Descriptors counts the open files of a process, by what they are: socket, pipe, or a path.
func Descriptors(pid int) (int, map[string]int) {
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
