package sktest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// Main runs the tests, or is the helper that Helper has written: what TestMain calls.
func Main(m *testing.M) {
	how := os.Getenv(behaviour)
	if how == "" {
		os.Exit(m.Run())
	}
	if err := answer(how, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(255)
	}
	os.Exit(0)
}

// answer reads a request and writes the answer (ssh-sk-helper.c of OpenSSH).
func answer(how string, in io.Reader, out io.Writer) error {
	var size uint32
	if err := binary.Read(in, binary.BigEndian, &size); err != nil {
		return err
	}
	message := make([]byte, size)
	if _, err := io.ReadFull(in, message); err != nil {
		return err
	}
	var request struct {
		Type          uint32
		Stderr        byte
		Level         uint32
		Key           []byte
		Provider      string
		Data          []byte
		Alg           string
		Compatibility uint32
		PIN           string
	}
	if err := ssh.Unmarshal(message[1:], &request); err != nil {
		return err
	}
	if message[0] != 5 || request.Type != 1 || request.Provider == "" {
		return errors.New("unsupported request")
	}
	if err := note(request.PIN); err != nil {
		return err
	}
	name, value, _ := strings.Cut(how, ":")
	number, _ := strconv.Atoi(value)
	version := byte(5)
	switch {
	case name == "error":
		return reply(out, version, ssh.Marshal(struct{ Type, Code uint32 }{0, uint32(number)}))
	case name == "pin" && request.PIN != value:
		return reply(out, version, ssh.Marshal(struct{ Type, Code uint32 }{0, 43}))
	case name == "version":
		version = byte(number)
	}
	signature, err := sign(request.Key, request.Data, name == "forge")
	if err != nil {
		return err
	}
	return reply(out, version, ssh.Marshal(struct {
		Type      uint32
		Signature []byte
	}{1, ssh.Marshal(signature)}))
}

// note adds a PIN to those that were sent.
func note(pin string) error {
	path := os.Getenv(PINs)
	if pin == "" || path == "" {
		return nil
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.WriteString(pin + "\n")
	return err
}

func reply(out io.Writer, version byte, body []byte) error {
	frame := append(binary.BigEndian.AppendUint32(nil, uint32(1+len(body))), version)
	_, err := out.Write(append(frame, body...))
	return err
}

// sign does what a token does (PROTOCOL.u2f): it signs the application, flags, a counter and the data.
func sign(key, data []byte, forge bool) (*ssh.Signature, error) {
	var kind struct {
		Type string
		Rest []byte `ssh:"rest"`
	}
	if err := ssh.Unmarshal(key, &kind); err != nil {
		return nil, err
	}
	app, message := sha256.Sum256([]byte(application)), sha256.Sum256(data)
	tail := []byte{Touch, 0, 0, 0, 7} // counter 7
	signed := bytes.Join([][]byte{app[:], tail, message[:]}, nil)
	if forge {
		signed = append(signed, 0)
	}
	blob, err := signBy(kind.Type, kind.Rest, signed)
	return &ssh.Signature{Format: kind.Type, Blob: blob, Rest: tail}, err
}

func signBy(kind string, key, signed []byte) ([]byte, error) {
	if kind == ssh.KeyAlgoSKED25519 {
		var fields struct {
			Public           []byte
			Application      string
			Flags            byte
			Handle, Reserved []byte
		}
		if err := ssh.Unmarshal(key, &fields); err != nil {
			return nil, err
		}
		return ed25519.Sign(fields.Handle, signed), nil
	}
	var fields struct {
		Curve            string
		Point            []byte
		Application      string
		Flags            byte
		Handle, Reserved []byte
	}
	if err := ssh.Unmarshal(key, &fields); err != nil {
		return nil, err
	}
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), fields.Handle)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(signed)
	r, s, err := ecdsa.Sign(rand.Reader, private, digest[:])
	return ssh.Marshal(struct{ R, S *big.Int }{r, s}), err
}
