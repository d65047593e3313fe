package order

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/config"
)

// What is typed here arrives there as ssh would have read it.
func TestForwardsArriveAsTyped(t *testing.T) {
	directory, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	environment := config.Environment{Home: t.TempDir(), Getenv: func(name string) (string, bool) { return "8081", name == "PORT" }}
	host := func(name string, port int) config.Endpoint {
		return config.Endpoint{Host: name, HostSet: true, Port: port}
	}
	flags := []config.Flag{
		{Letter: 'L', Value: "8080:db:80"}, {Letter: 'L', Value: ":${PORT}:[::1]:80"}, {Letter: 'L', Value: "./a:/far/b"},
		{Letter: 'R', Value: "0:localhost:80"}, {Letter: 'R', Value: "/far/c:./d"}, {Letter: 'R', Value: "*:9"}, {Letter: 'D', Value: "localhost:1080"},
	}
	want := []config.Forward{
		{Kind: config.Local, Listen: config.Endpoint{Port: 8080}, Target: host("db", 80)},
		{Kind: config.Local, Listen: host("", 8081), Target: host("::1", 80)},
		{Kind: config.Local, Listen: config.Endpoint{Path: filepath.Join(directory, "a")}, Target: config.Endpoint{Path: "/far/b"}},
		{Kind: config.Remote, Target: host("localhost", 80)},
		{Kind: config.Remote, Listen: config.Endpoint{Path: "/far/c"}, Target: config.Endpoint{Path: filepath.Join(directory, "d")}},
		{Kind: config.Remote, Listen: host("*", 9)},
		{Kind: config.Dynamic, Listen: host("localhost", 1080)},
	}
	orders, err := Typed(t.Context(), environment, "db", flags)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(orders)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Read(bytes.NewReader(text))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\ngot  %+v\nwant %+v\nas %s", err, got, want, text)
	}
	if _, err := Typed(t.Context(), environment, "db", []config.Flag{{Letter: 'L', Value: "8080"}}); err == nil {
		t.Error("-L 8080 is taken")
	}
}

func TestWhatIsNoForward(t *testing.T) {
	for _, text := range []string{
		"", "null", "[]", "{}", `[{}]`, `[{"kind":"X","listen":{"port":1}}]`, `[{"kind":"L","listen":{"port":1}}]`,
		`[{"kind":"L","listen":{"port":0},"target":{"host":"a","port":1}}]`, `[{"kind":"L","listen":{"port":65536},"target":{"host":"a","port":1}}]`,
		`[{"kind":"L","listen":{"port":1},"target":{"host":"a"}}]`, `[{"kind":"D","listen":{"port":1},"target":{"host":"a","port":1}}]`,
		`[{"kind":"R","listen":{"port":-1},"target":{"host":"a","port":1}}]`, "[" + strings.Repeat("{},", 300) + "{}]",
	} {
		if got, err := Read(strings.NewReader(text)); err == nil {
			t.Errorf("%.80s: taken for %+v", text, got)
		}
	}
}
