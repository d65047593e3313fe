package escape

import "testing"

func TestVisible(t *testing.T) {
	for c, want := range map[byte]string{'~': "~", 1: `\^A`, '\\': `\\`, ' ': `\040`, 0x7f: `\^?`, 0xff: `\M^?`, 0xe9: `\M-i`, 0: `\^@`} {
		if got := Visible(c); got != want {
			t.Errorf("%d: got %q, want %q", c, got, want)
		}
	}
}
