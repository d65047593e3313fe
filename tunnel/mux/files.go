package mux

import (
	"errors"
	"os"
	"time"
)

var errNoFile = errors.New("did not receive file descriptors")

// receiveFiles takes n descriptors, each of which comes with one byte. They are as the client has them: shared, and of
// whatever kind. The caller closes them.
func (c *client) receiveFiles(n int) (files []*os.File, err error) {
	c.conn.SetReadDeadline(time.Now().Add(c.master.times.greet))
	defer c.conn.SetReadDeadline(time.Time{})
	for range n {
		file, err := receiveFile(c.conn)
		if err != nil {
			closeAll(files)
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

// dropFiles takes as many descriptors one after the other, and closes them.
func (c *client) dropFiles(n int) {
	c.conn.SetReadDeadline(time.Now().Add(c.master.times.greet))
	for range n {
		file, err := receiveFile(c.conn)
		if err != nil {
			return
		}
		file.Close()
	}
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
