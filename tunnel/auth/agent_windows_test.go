package auth

import (
	"crypto/ed25519"
	"fmt"
	"os"
	"testing"

	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/sys/windows"
)

// An agent behind a named pipe, as Win32-OpenSSH's, is asked as one behind a socket.
func TestAgentBehindAPipe(t *testing.T) {
	path := fmt.Sprintf(`\\.\pipe\tunneld-test-%d`, os.Getpid())
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		t.Fatal(err)
	}
	handle, err := windows.CreateNamedPipe(name, windows.PIPE_ACCESS_DUPLEX|windows.FILE_FLAG_OVERLAPPED, windows.PIPE_TYPE_BYTE, 1, 4096, 4096, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	server := os.NewFile(uintptr(handle), path)
	keys := agent.NewKeyring()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Add(agent.AddedKey{PrivateKey: private, Comment: "bob"}); err != nil {
		t.Fatal(err)
	}
	g, err := dialAgent(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- agent.ServeAgent(keys, server) }()
	list, err := g.keys(t.Context())
	if err != nil || len(list) != 1 || list[0].comment.String() != "bob" {
		t.Errorf("%v, %v", list, err)
	}
	g.close()
	<-served
	server.Close()
}
