package config

import "slices"

// Keyword is one option of ssh_config(5), or one of tunneld's own, for manuals and the completion of shells.
type Keyword struct {
	Name    string
	Meaning string   // of tunneld's own, as in Setting; empty: the option is ssh's
	Lost    string   // why it has no effect here, or what it does not bring; empty: it is honoured
	Warned  bool     // somebody who sets it is told so
	Refused bool     // nothing is opened where it is set
	Values  []string // words that it may have; there may be others
	List    bool     // it takes several of Values, between commas
}

// Keywords returns every option but Host, Match and Include, by name.
func Keywords() []Keyword {
	var all []Keyword
	for _, k := range table() {
		one := Keyword{Name: k.name, Meaning: k.meaning, Lost: k.loss, Warned: k.loss != "", Refused: k.refusal != "", Values: k.words}
		if k.none != "" {
			one.Lost = k.none
		}
		if k.kind != nil {
			one.Values, one.List = k.kind.All, true
		}
		one.List = one.List || k.name == "PreferredAuthentications"
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b Keyword) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return all
}
