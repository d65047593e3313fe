package glob

import "testing"

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		name, pattern string
		want          bool
	}{
		{"a.conf", "*.conf", true}, {"b", "[a-c]", true}, {"d", "[a-c]", false}, {"d", "[!a-c]", true}, {"]", "[]]", true},
		{"[", "[", true}, {"*", `\*`, true}, {"x", `\*`, false}, {"7", "[[:digit:]]", true}, {"x", "[[:digit:]x]", true},
		{"-", "[a-]", true}, {"ab", "a?", true}, {"a", "a?", false}, {"abc", "a*c", true},
	} {
		if got := Match(c.name, c.pattern); got != c.want {
			t.Errorf("%s ~ %s: %v", c.name, c.pattern, got)
		}
	}
}
