package launchd

import (
	"encoding/xml"
	"io"
	"reflect"
	"strings"
	"testing"
)

// decode reads a property list of dictionaries, lists, texts, numbers and truths.
func decode(t *testing.T, plist []byte) map[string]any {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(string(plist)))
	for {
		token, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "dict" {
			got := dictionary(t, d)
			for {
				if _, err := d.Token(); err == io.EOF {
					return got
				} else if err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// next returns the next element within another, or nil at the end of that.
func next(t *testing.T, d *xml.Decoder) *xml.StartElement {
	t.Helper()
	for {
		token, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			return &token
		case xml.EndElement:
			return nil
		case xml.CharData:
			if strings.TrimSpace(string(token)) != "" {
				t.Errorf("text between elements: %q", token)
			}
		}
	}
}

func dictionary(t *testing.T, d *xml.Decoder) map[string]any {
	t.Helper()
	got := make(map[string]any)
	for key := next(t, d); key != nil; key = next(t, d) {
		var name string
		if err := d.DecodeElement(&name, key); err != nil || key.Name.Local != "key" {
			t.Fatalf("%s: %v", key.Name.Local, err)
		}
		got[name] = value(t, d, next(t, d))
	}
	return got
}

func value(t *testing.T, d *xml.Decoder, e *xml.StartElement) any {
	t.Helper()
	if e == nil {
		t.Fatal("a key without a value")
	}
	switch e.Name.Local {
	case "dict":
		return dictionary(t, d)
	case "array":
		var list []any
		for one := next(t, d); one != nil; one = next(t, d) {
			list = append(list, value(t, d, one))
		}
		return list
	case "true", "false":
		d.Skip()
		return e.Name.Local == "true"
	}
	var text string
	if err := d.DecodeElement(&text, e); err != nil {
		t.Fatal(err)
	}
	return text
}

// What an alias has in it is read as it was typed, whatever XML would make of it.
func TestPlist(t *testing.T) {
	for alias, label := range map[string]string{
		"db": "tunneld.db", "bob@host": "tunneld.bob@host", `a<b>&"c' d/../*`: "tunneld.a_b___c__d_.._*", "-rf": "tunneld.-rf",
	} {
		label = strings.ReplaceAll(label, "*", "_")
		a := Agent{Program: "/opt/a & b/tunneld", Alias: alias, Home: "/Users/bob"}
		want := map[string]any{
			"Label":            label,
			"ProgramArguments": []any{"/opt/a & b/tunneld", "up", "--", alias},
			"RunAtLoad":        true, "KeepAlive": map[string]any{"SuccessfulExit": false},
			"ThrottleInterval": "10", "ExitTimeOut": "30", "ProcessType": "Interactive",
			"StandardErrorPath": "/Users/bob/Library/Logs/" + label + ".log",
		}
		if got := decode(t, a.Plist()); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: it says\n%v\nwant\n%v", alias, got, want)
		}
	}
}
