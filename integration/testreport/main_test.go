package main

import (
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	const skip = `{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:3: needs nft: not found\n"}
{"Action":"skip","Package":"p","Test":"TestA"}
`
	const pass = `{"Action":"pass","Package":"p","Test":"TestB"}
{"Action":"pass","Package":"p","Elapsed":1}
`
	const fail = `{"Action":"output","Package":"p","Test":"TestC","Output":"    c_test.go:3: wrong\n"}
{"Action":"fail","Package":"p","Test":"TestC"}
`
	cases := []struct {
		name   string
		in     string
		strict bool
		ok     bool
		says   string
	}{
		{"all passed", pass, true, true, "\n1 passed, 0 failed, 0 skipped\n"},
		{"skipped on a machine of one's own", pass + skip, false, true, "skipped: p TestA: needs nft: not found"},
		{"skipped where nothing may be", pass + skip, true, false, "nothing may be skipped"},
		{"failed", pass + fail, false, false, "c_test.go:3: wrong"},
		{"cut off in a test", pass + `{"Action":"run","Package":"p","Test":"TestD"}`, false, false, "not ended: p TestD"},
		{"cut off in a package", pass + `{"Action":"start","Package":"q"}`, false, false, "not ended: q"},
		{"nothing ran", "", false, false, "no test has run"},
		{"not JSON", "go: no such tool\n" + pass, false, true, "go: no such tool"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			r := newReport(&out)
			if err := r.read(strings.NewReader(c.in)); err != nil {
				t.Fatal(err)
			}
			if ok := r.finish(c.strict); ok != c.ok {
				t.Errorf("ok is %v, want %v", ok, c.ok)
			}
			if !strings.Contains(out.String(), c.says) {
				t.Errorf("said %q, want %q in it", out.String(), c.says)
			}
		})
	}
}
