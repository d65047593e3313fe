package config

import (
	"slices"
	"strconv"
	"sync"

	"github.com/tunneld/tunneld/config/spelling"
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

// suggestion returns the keyword that is most like word, for a "did you mean"; empty where none is close.
func suggestion(word string) string {
	names := []string{"Host", "Match", "Include"}
	for _, k := range keywords() {
		names = append(names, k.name)
	}
	slices.Sort(names)
	return Nearest(word, names)
}

// Nearest is spelling.Nearest.
func Nearest(word string, names []string) string { return spelling.Nearest(word, names) }
