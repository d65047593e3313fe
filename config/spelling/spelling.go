// Package spelling finds what somebody may have meant.
package spelling

import "github.com/tunneld/tunneld/config/sshpattern"

// Nearest returns the name that differs from word by the fewest letters, for a "did you mean"; the first of several, and ""
// where none is near enough to be what was meant. Capitals do not count. A name that is word itself is no suggestion.
func Nearest(word string, names []string) string {
	best, least := "", 2+len(word)/4
	for _, name := range names {
		if d := distance(sshpattern.ToLower(word), sshpattern.ToLower(name)); d < least && name != word {
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
