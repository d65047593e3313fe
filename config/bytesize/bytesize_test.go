package bytesize

import "testing"

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text  string
		value int64
		ok    bool
	}{
		{"0", 0, true}, {"100", 100, true}, {"1K", 1024, true}, {"1k", 1024, true}, {"1.5K", 1536, true}, {"1G", 1 << 30, true},
		{"2T", 2 << 40, true}, {"7E", 7 << 60, true}, {".5G", 1 << 29, true}, {"64B", 64, true}, {"1.9", 1, true}, {"+1", 1, true},
		{"-1", -1, true}, {"1K-", 1024, true},
		{"8E", 0, false}, {"x", 0, false}, {"1.2.3", 0, false}, {"1Kb", 0, false}, {"1X", 0, false}, {"--1", 0, false},
		{"99999999999999999999", 0, false},
	} {
		value, ok := Parse(c.text)
		if value != c.value || ok != c.ok {
			t.Errorf("%q: got %d, %v; want %d, %v", c.text, value, ok, c.value, c.ok)
		}
	}
}
