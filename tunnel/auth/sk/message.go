package sk

import (
	"errors"
	"fmt"

	"golang.org/x/crypto/ssh"
)

// The helper's protocol (ssh-sk.h, ssh-sk-client.c and msg.c of OpenSSH): one request and one answer, each the version and a message.
// Version 5 is that of OpenSSH 8.9 and all since.
const (
	version     = 5
	answerError = 0 // SSH_SK_HELPER_ERROR
	requestSign = 1 // SSH_SK_HELPER_SIGN; the answer has the same type
)

// signing is the request for a signature: what client_converse and sshsk_sign of ssh-sk-client.c send.
type signing struct {
	Type      uint32
	LogStderr byte
	LogLevel  uint32
	Key       []byte
	Provider  string
	Data      []byte
	Algorithm string
	Compat    uint32
	PIN       string // empty: none
}

// logErrors is SYSLOG_LEVEL_ERROR of OpenSSH's log.h.
const logErrors = 2

// request returns the bytes that ask for a signature of data.
func request(key *Key, provider string, data []byte, pin string) []byte {
	body := ssh.Marshal(signing{
		Type: requestSign, LogStderr: 1, LogLevel: logErrors, Key: key.private, Provider: provider, Data: data, PIN: pin,
	})
	return append([]byte{version}, body...)
}

var errNonsense = errors.New("its answer makes no sense")

// parseAnswer returns the signature that an answer holds. The error may be a *VersionError or a *RefusalError.
func parseAnswer(message []byte) (*ssh.Signature, error) {
	if len(message) == 0 {
		return nil, errNonsense
	}
	if message[0] != version {
		return nil, &VersionError{Got: message[0]}
	}
	var answer struct {
		Type uint32
		Rest []byte `ssh:"rest"`
	}
	if err := ssh.Unmarshal(message[1:], &answer); err != nil {
		return nil, errNonsense
	}
	switch answer.Type {
	case answerError:
		var code struct{ Code uint32 }
		if err := ssh.Unmarshal(answer.Rest, &code); err != nil {
			return nil, errNonsense
		}
		return nil, &RefusalError{Code: code.Code}
	case requestSign:
		var blob struct{ Signature []byte }
		signature := new(ssh.Signature)
		if ssh.Unmarshal(answer.Rest, &blob) != nil || ssh.Unmarshal(blob.Signature, signature) != nil {
			return nil, errNonsense
		}
		return signature, nil
	}
	return nil, fmt.Errorf("%w: type %d", errNonsense, answer.Type)
}

// check makes sure that the signature is one of key over data, as the server will: a helper's mistake is not to look like a server's
// refusal. Whether somebody has touched the token is for the server to judge, which may not ask for it.
func check(key *Key, data []byte, signature *ssh.Signature) error {
	if signature.Format != key.public.Type() || len(signature.Rest) != 5 {
		return errNonsense
	}
	if signature.Rest[0]&flagPresence == 0 {
		return nil // x/crypto takes none of these
	}
	if err := key.public.Verify(data, signature); err != nil {
		return errors.New("its signature is not one of this key")
	}
	return nil
}
