//go:build unix

package main

import (
	"fmt"
	"os"
	"testing"

	"github.com/tunneld/tunneld/config"
)

// With -F <(...) the configuration comes through a pipe, once: all aliases live by it, and so they do after a reload.
func TestPlanOfAConfigurationThroughAPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	fmt.Fprint(w, "Host *\n HostName 127.0.0.1\n LocalForward 1 x:1\nHost a\n Port 1\nHost b\n Port 2\n")
	w.Close()
	flags := &sshFlags{given: []config.Flag{{Letter: 'F', Value: fmt.Sprintf("/dev/fd/%d", r.Fd())}}}
	for range 2 {
		plans, err := plan(t.Context(), flags, []string{"a", "b"}, "")
		if err != nil || len(plans) != 2 || plans[0].options.Port != 1 || plans[1].options.Port != 2 {
			t.Fatalf("%d plans, %v", len(plans), err)
		}
	}
}
