package thrift

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Only what can not be written to, is the program's own, and has not been changed in memory.
func TestConstant(t *testing.T) {
	const smaps = `00400000-00500000 r-xp 00000000 fe:00 42 /usr/bin/a program
Rss: 500 kB
Anonymous: 0 kB
VmFlags: rd ex mr mw me
00500000-00600000 r--p 00100000 fe:00 42 /usr/bin/a program
Anonymous: 4 kB
00600000-00700000 r--p 00200000 fe:00 42 /usr/bin/a program
Anonymous: 0 kB
00700000-00800000 rw-p 00300000 fe:00 42 /usr/bin/a program
Anonymous: 0 kB
00800000-00900000 r--s 00400000 fe:00 42 /usr/bin/a program
Anonymous: 0 kB
c000000000-c000400000 ---p 00000000 00:00 0
Anonymous: 0 kB
7f0000000000-7f0000001000 r-xp 00000000 fe:00 43 /lib/x86_64-linux-gnu/libc.so.6
Anonymous: 0 kB
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]
Anonymous: 0 kB
`
	if got, want := constant(strings.NewReader(smaps)), []mapping{{0x400000, 0x500000}, {0x600000, 0x700000}}; !slices.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
}

// What was mapped becomes less, and everything still works.
func TestLetsGoOfText(t *testing.T) {
	resident := func() (kilobytes int) {
		data, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			if words := strings.Fields(line); words[0] == "RssFile:" {
				kilobytes, err = strconv.Atoi(words[1])
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		return kilobytes
	}
	before := resident()
	if err := letGoOfText(); err != nil {
		t.Fatal(err)
	}
	if after := resident(); after > before*3/4 {
		t.Errorf("%d KB of files are mapped after %d", after, before)
	}
}
