package config

import (
	"os"
	"path/filepath"
	"testing"
)

// Only a list of its own, or one that begins with ^, is offered to servers in its order: ssh_kex2 of OpenSSH lets
// known_hosts reorder the default list and what + and - make of it.
func TestHostKeyAlgorithmsExact(t *testing.T) {
	for list, want := range map[string]bool{
		"": false, "+ssh-rsa": false, "-ecdsa*": false, "^rsa-sha2-512": true, "ssh-ed25519,rsa-sha2-256": true,
	} {
		file := filepath.Join(t.TempDir(), "config")
		text := "Host *\n"
		if list != "" {
			text += "HostKeyAlgorithms " + list + "\n"
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		environment, err := CurrentEnvironment()
		if err != nil {
			t.Fatal(err)
		}
		o, err := Resolve(t.Context(), Request{Environment: environment, Destination: "host", Flags: []Flag{{Letter: 'F', Value: file}}})
		if err != nil {
			t.Fatal(err)
		}
		if o.HostKeyAlgorithmsExact != want || len(o.HostKeyAlgorithms) == 0 {
			t.Errorf("%q: exact %v, %q", list, o.HostKeyAlgorithmsExact, o.HostKeyAlgorithms)
		}
	}
}
