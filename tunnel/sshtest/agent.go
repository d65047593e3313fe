package sshtest

import (
	"net"

	"golang.org/x/crypto/ssh/agent"
)

// ServeAgent serves an agent to all who come to l, at once, until l is closed.
func ServeAgent(l net.Listener, served agent.Agent) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			agent.ServeAgent(served, conn)
		}()
	}
}
