package config_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/tunneld/tunneld/config"
)

func ExampleResolve() {
	home, err := os.MkdirTemp("", "home")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(home)
	file := filepath.Join(home, "ssh_config")
	text := "Host db\n HostName db.example.org\n User bob\n IdentityFile ~/.ssh/%n\n LocalForward 5432 localhost:5432\n ForwardX11 yes\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		log.Fatal(err)
	}

	o, err := config.Resolve(context.Background(), config.Request{
		Destination: "db",
		Flags:       []config.Flag{{Letter: 'o', Value: "TunneldHold=5s"}, {Letter: 'D', Value: "1080"}},
		Environment: config.Environment{Home: "/home/me", LocalUser: "me", UID: os.Getuid(), UserFile: file},
	})
	if err != nil {
		log.Fatal(err) // every mistake in the files, each with its line
	}
	fmt.Println(o.Peer())
	fmt.Println(o.IdentityFile[0].Path)
	fmt.Println("hold", o.Hold)
	for _, f := range o.Forwards {
		fmt.Printf("-%c %s\n", f.Kind, f.Listen)
	}
	for _, w := range o.Warnings {
		fmt.Printf("line %d: %s: %s\n", w.Source.Line, w.Keyword, w.Text)
	}

	// Output:
	// bob@db.example.org:22
	// /home/me/.ssh/db
	// hold 5s
	// -D 1080
	// -L 5432
	// line 6: ForwardX11: X11 is not forwarded: a tunnel opens no session
}
