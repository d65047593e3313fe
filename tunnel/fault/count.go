package fault

import "fmt"

// Count returns a number of things as messages have it: "1 key", "2 keys".
func Count[N int | uint64](n N, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}
