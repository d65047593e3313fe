package main

// nearest returns the word of list that differs from typed by the fewest letters, or "" where none is near enough to be
// what was meant.
func nearest(typed string, list []string) string {
	best, distance := "", 1+len(typed)/4
	for _, word := range list {
		if d := editDistance(typed, word); d <= distance && word != typed {
			best, distance = word, d-1
		}
	}
	return best
}

// editDistance is the number of letters to insert, delete or change (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
