package pkcs11

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"
)

// The variables that make the test's program a helper: how it behaves, and where its keys are.
const (
	fakeMode = "TUNNELD_TEST_PKCS11_MODE"
	fakeKeys = "TUNNELD_TEST_PKCS11_KEYS"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(fakeMode); mode != "" {
		fake{mode: mode, directory: os.Getenv(fakeKeys)}.serve()
		return
	}
	goleak.VerifyTestMain(m)
}

func writeKey(t *testing.T, path string, key crypto.Signer) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, der, 0o600); err != nil {
		t.Fatal(err)
	}
}

// fake is a helper: "digest" as it was before OpenSSH 10.1, "whole" as it is since, and others that are broken.
type fake struct{ mode, directory string }

func (f fake) keys() []crypto.Signer {
	var keys []crypto.Signer
	for i := 0; ; i++ {
		der, err := os.ReadFile(filepath.Join(f.directory, strconv.Itoa(i)))
		if err != nil {
			return keys
		}
		key, err := x509.ParsePKCS8PrivateKey(der)
		if err != nil {
			panic(err)
		}
		keys = append(keys, key.(crypto.Signer))
	}
}

func (f fake) serve() {
	var keys []crypto.Signer // none before a library is loaded
	for {
		var length [4]byte
		if _, err := io.ReadFull(os.Stdin, length[:]); err != nil {
			return
		}
		request := make([]byte, binary.BigEndian.Uint32(length[:]))
		if _, err := io.ReadFull(os.Stdin, request); err != nil {
			return
		}
		var answer []byte
		switch request[0] {
		case msgAddLibrary:
			keys = f.keys()
			answer = f.add(request, keys)
		case msgSign:
			answer = f.sign(request, keys)
		}
		os.Stdout.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(answer))), answer...))
	}
}

func (f fake) add(request []byte, keys []crypto.Signer) []byte {
	var asked struct {
		Type         byte
		Library, PIN string
	}
	if err := ssh.Unmarshal(request, &asked); err != nil {
		panic(err)
	}
	switch f.mode {
	case "dies":
		fmt.Fprintf(os.Stderr, "debug1: hello\r\nit is broken, and the PIN is %s\r\ndebug1: bye\r\n", asked.PIN)
		os.Exit(1)
	case "empty":
		return nil
	case "long":
		os.Stdout.Write([]byte{255, 255, 255, 255})
	case "many":
		return []byte{msgKeys, 255, 255, 255, 255}
	case "garbage":
		return append([]byte{msgKeys, 0, 0, 0, 1}, "garbage, and more of it"...)
	case "alien":
		return []byte{99}
	case "half":
		os.Stdout.Write([]byte{0, 0, 0, 9, msgKeys})
		os.Exit(0)
	case "no keys":
		return []byte{msgKeys, 0, 0, 0, 0}
	case "refuses":
		code, _ := strconv.Atoi(asked.PIN)
		return binary.BigEndian.AppendUint32([]byte{msgFailure}, uint32(code))
	case "hangs", "floods":
		f.beget()
		for f.mode == "floods" {
			os.Stderr.Write(bytes.Repeat([]byte("flood "), 1000))
		}
		io.Copy(io.Discard, os.Stdin)
	}
	answer := binary.BigEndian.AppendUint32([]byte{msgKeys}, uint32(len(keys)))
	for i, key := range keys {
		public, err := ssh.NewPublicKey(key.Public())
		if err != nil {
			panic(err)
		}
		answer = append(answer, ssh.Marshal(struct{ Blob, Label string }{string(public.Marshal()), "key " + strconv.Itoa(i)})...)
	}
	return answer
}

// beget leaves a child that has our output.
func (f fake) beget() {
	child := exec.Command("sleep", "1000")
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	if err := child.Start(); err != nil {
		panic(err)
	}
	os.WriteFile(filepath.Join(f.directory, "child"), []byte(strconv.Itoa(child.Process.Pid)+"\n"), 0o600)
}

func (f fake) sign(request []byte, keys []crypto.Signer) []byte {
	var asked struct {
		Type      byte
		Key, Data []byte
		Rest      []byte `ssh:"rest"`
	}
	if err := ssh.Unmarshal(request, &asked); err != nil {
		panic(err)
	}
	var more struct {
		Algorithm string
		Flags     uint32
	}
	whole := f.mode == "whole" || f.mode == "tired"
	if whole && ssh.Unmarshal(asked.Rest, &more) != nil {
		os.Exit(255)
	}
	for _, key := range keys {
		public, err := ssh.NewPublicKey(key.Public())
		if err != nil {
			panic(err)
		}
		if !bytes.Equal(public.Marshal(), asked.Key) {
			continue
		}
		var blob []byte
		switch {
		case f.mode == "tired":
			os.Exit(0)
		case f.mode == "refuses to sign":
			return []byte{msgFailureOfOld}
		case f.mode == "scribbler":
			blob = []byte("scribble")
		case f.mode == "liar":
			sum := sha256.Sum256([]byte("other data"))
			blob = signDigestWith(key, sum[:])
		case whole:
			blob = signWholeWith(key, asked.Data, more.Algorithm)
		default:
			blob = signDigestWith(key, asked.Data)
		}
		return ssh.Marshal(struct {
			Type byte
			Blob []byte
		}{msgSignature, blob})
	}
	return []byte{msgFailureOfOld}
}

// signDigestWith signs as a token does: it puts padding around what it is given, and no name of a digest.
func signDigestWith(key crypto.Signer, digest []byte) []byte {
	blob, err := key.Sign(rand.Reader, digest, crypto.Hash(0))
	if err != nil {
		panic(err)
	}
	return blob
}

func signWholeWith(key crypto.Signer, data []byte, algorithm string) []byte {
	signer, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		panic(err)
	}
	if _, ok := key.(*rsa.PrivateKey); !ok {
		algorithm = ""
	}
	signature, err := signer.(ssh.AlgorithmSigner).SignWithAlgorithm(rand.Reader, data, algorithm)
	if err != nil {
		panic(err)
	}
	return ssh.Marshal(signature)
}
