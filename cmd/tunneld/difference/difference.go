// Package difference says in words what one configuration of a tunnel has that another has not: for `tunneld reload` and its log.
package difference

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel"
)

// Nothing is what Between returns where there is no difference.
const Nothing = "nothing has changed"

// Between returns what differs in after: forwards, then settings with their values, but for the keywords of without, which have no
// say. It is one line.
func Between(before, after *config.Options, without ...string) string {
	parts := forwards(before.Forwards, after.Forwards)
	for _, c := range after.ChangesFrom(before) {
		if !slices.Contains(without, c.Keyword) {
			parts = append(parts, setting(c))
		}
	}
	if len(parts) == 0 {
		return Nothing
	}
	return foreign.Own(strings.Join(parts, "; ")).String()
}

// forwards returns what was added, changed and removed. One that stays where it listens and leads elsewhere has changed.
func forwards(before, after []config.Forward) []string {
	before, after = withoutSource(before), withoutSource(after)
	gone := slices.DeleteFunc(slices.Clone(before), func(f config.Forward) bool { return slices.Contains(after, f) })
	fresh := slices.DeleteFunc(slices.Clone(after), func(f config.Forward) bool { return slices.Contains(before, f) })
	var added, changed, removed []string
	for _, f := range fresh {
		i := slices.IndexFunc(gone, func(old config.Forward) bool {
			return old.Kind == f.Kind && old.Listen == f.Listen && (f.Listen.Port > 0 || f.Listen.IsUnix())
		})
		if i < 0 {
			added = append(added, "added "+tunnel.Spec(f))
			continue
		}
		changed = append(changed, fmt.Sprintf("%s (was to %s)", tunnel.Spec(f), tunnel.Target(gone[i])))
		gone = slices.Delete(gone, i, i+1)
	}
	for _, f := range gone {
		removed = append(removed, "removed "+tunnel.Spec(f))
	}
	return slices.Concat(added, changed, removed)
}

// withoutSource returns the forwards without the lines that they come from, and with one way to write "every interface".
func withoutSource(list []config.Forward) []config.Forward {
	list = slices.Clone(list)
	for i := range list {
		list[i].Source = config.Source{}
		if list[i].Listen.HostSet && list[i].Listen.Host == "*" {
			list[i].Listen.Host = ""
		}
	}
	return list
}

// longest is the length up to which values are shown.
const longest = 60

// setting returns a keyword with its values, as far as they are short and cannot hold a secret.
func setting(c config.Change) string {
	text := c.Keyword
	if c.Hop != "" {
		text = fmt.Sprintf("%s of the jump host %s", c.Keyword, c.Hop)
	}
	if c.Private || len(c.Is) > longest || len(c.Was) > longest {
		return text + " differs"
	}
	return fmt.Sprintf("%s %s (was %s)", text, orUnset(c.Is), orUnset(c.Was))
}

func orUnset(value string) string {
	if value == "" {
		return "unset"
	}
	return value
}
