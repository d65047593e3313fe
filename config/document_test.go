package config

import "testing"

// What one document changes of a default, which all of them share, is its own.
func TestDefaultsAreShared(t *testing.T) {
	const keyword = "ServerAliveCountMax"
	one, other := newDocument(), newDocument()
	for _, d := range []*document{&one, &other} {
		d.addDefault(keyword, "3")
		d.set("Port", "22", Source{File: fromDefault})
	}
	if one.nodes()[0] != other.nodes()[0] {
		t.Error("each has a default of its own")
	}
	if err := one.rewrite(keyword, func(old string) (string, error) { return old + "0", nil }); err != nil {
		t.Fatal(err)
	}
	for d, want := range map[*document]string{&one: "30", &other: "3"} {
		if got := d.value(keyword); got != want || d.Source(keyword) != (Source{File: fromDefault}) {
			t.Errorf("%s from %v, want %s", got, d.Source(keyword), want)
		}
	}
	one.remove(keyword, nil)
	if one.has(keyword) || !other.has(keyword) {
		t.Error("a default went from another document")
	}
}
