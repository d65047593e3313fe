package sshconn

import (
	"github.com/tunneld/tunneld/tunnel/auth"
	"github.com/tunneld/tunneld/tunnel/hostkey"
)

// Asker puts questions to a person: at a terminal, through SSH_ASKPASS. A nil Asker means that there is nobody.
//
// Implementations serve one question at a time and are safe for concurrent use. Their methods block until there is an
// answer or ctx is done, and then return ctx's error.
type Asker interface {
	auth.Asker
	hostkey.Asker
}
