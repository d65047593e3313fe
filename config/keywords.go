package config

import (
	"slices"
	"strconv"
	"sync"
)

const (
	maxInt       = 1<<31 - 1
	maxHostFiles = 32  // SSH_MAX_HOSTS_FILES
	maxDomains   = 32  // MAX_CANON_DOMAINS
	maxKeyFiles  = 100 // SSH_MAX_IDENTITY_FILES and SSH_MAX_CERTIFICATE_FILES
)

func decimalText(value int) string { return strconv.Itoa(value) }

// keywords is the table by name in lower case, by other names too, and with the old options that do nothing.
var keywords = sync.OnceValue(func() map[string]keyword {
	all := map[string]keyword{}
	for _, k := range table() {
		all[lower(k.name)] = k
		for _, other := range k.others {
			all[other] = k
		}
	}
	for _, name := range oldNames {
		all[lower(name)] = ignored(name)
	}
	return all
})

// suggestion finds the keyword that is most like word, for a "did you mean"; empty where none is near.
func suggestion(word string) string {
	names := []string{"Host", "Match", "Include"}
	for _, k := range keywords() {
		names = append(names, k.name)
	}
	slices.Sort(names)
	best, least := "", 1+len(word)/4
	for _, name := range names {
		if d := distance(word, lower(name)); d <= least && (best == "" || d < least) {
			best, least = name, d
		}
	}
	return best
}

// distance is the number of letters to add, drop, change or swap with their neighbour to make b of a.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
