package sshconn

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

// firstWordsOf returns the first bytes of a server.
func firstWordsOf(before, list string) []byte {
	packet := append([]byte{0, 0, 2, 0, 8, msgKexInit}, make([]byte, 16)...)
	packet = binary.BigEndian.AppendUint32(packet, uint32(len(list)))
	packet = append(packet, list...)
	return append([]byte(before+"SSH-2.0-Server\r\n"), append(packet, "and more"...)...)
}

func TestServerKex(t *testing.T) {
	good := firstWordsOf("hello\n", "mlkem768x25519-sha256,curve25519-sha256,ext-info-s,kex-strict-s-v00@openssh.com")
	if got := strings.Join(serverKex(good), " "); got != "mlkem768x25519-sha256 curve25519-sha256" {
		t.Error(got)
	}
	for n := range len(good) - len("and more") {
		if got := serverKex(good[:n]); got != nil {
			t.Fatalf("%d bytes: %q", n, got)
		}
	}
	lying := slices.Clone(good)
	binary.BigEndian.PutUint32(lying[len("hello\nSSH-2.0-Server\r\n")+22:], 0xffffffff)
	other := slices.Clone(good)
	other[len("hello\nSSH-2.0-Server\r\n")+5] = 1 // a disconnect
	for name, words := range map[string][]byte{"a size that is none": lying, "another packet": other, "nothing": nil} {
		if got := serverKex(words); got != nil {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := serverKex(firstWordsOf("", "")); len(got) > 0 {
		t.Errorf("an empty list: %q", got)
	}
}

func TestKexInWords(t *testing.T) {
	ours := []string{"mlkem768x25519-sha256", "curve25519-sha256", "ecdh-sha2-nistp256"}
	for theirs, want := range map[string]string{
		"curve25519-sha256,mlkem768x25519-sha256":                                 "mlkem768x25519-sha256, post-quantum",
		"sntrup761x25519-sha512@openssh.com,ecdh-sha2-nistp256,curve25519-sha256": "curve25519-sha256, not post-quantum; the server's best is sntrup761x25519-sha512@openssh.com, post-quantum, which is not offered from here",
		"curve25519-sha256":                     "curve25519-sha256, not post-quantum; the server has none that is",
		"curve448-sha512,curve25519-sha256":     "curve25519-sha256, not post-quantum; the server's best is curve448-sha512, and it has none that is post-quantum",
		"curve448-sha512":                       "",
		"":                                      "",
		"x\x1b[31m,kyber\x1b,curve25519-sha256": "curve25519-sha256, not post-quantum; the server's best is kyber, post-quantum, which is not offered from here",
	} {
		if got := viewKex(strings.Split(theirs, ","), ours).text(); got != want {
			t.Errorf("%q: %q, want %q", theirs, got, want)
		}
	}
}

func TestOnce(t *testing.T) {
	var o once
	if !o.first("a") || o.first("a") || !o.first("b") {
		t.Error("not the first time, or more than once")
	}
}

func FuzzServerKex(f *testing.F) {
	f.Add(firstWordsOf("", "a,b"))
	f.Fuzz(func(t *testing.T, words []byte) {
		for _, name := range serverKex(words) {
			if name == "" {
				t.Error("an empty name")
			}
		}
	})
}
