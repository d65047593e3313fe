package config

import (
	"slices"
	"strings"
	"sync"

	"github.com/kevinburke/ssh_config"
)

// document holds the active options in ssh_config's own model, one "Host *" with the options in the order obtained, and
// answers look-ups by keyword: the first value wins, but a keyword that may be repeated keeps all its values.
type document struct {
	config  *ssh_config.Config
	sources map[ssh_config.Node]Source // where each node came from that is not of stock
	trace   *trace                     // what was read and not used, for Explain
}

func newDocument() document {
	return document{
		config:  &ssh_config.Config{Hosts: []*ssh_config.Host{{Patterns: []*ssh_config.Pattern{anyHost()}}}},
		sources: map[ssh_config.Node]Source{},
		trace:   newTrace(),
	}
}

func anyHost() *ssh_config.Pattern {
	pattern, err := ssh_config.NewPattern("*")
	if err != nil { // a constant pattern compiles
		return &ssh_config.Pattern{}
	}
	return pattern
}

// Source returns where the effective value of keyword came from; where there are several values, where the first did. File is
// "default" where nobody set it. The case of keyword does not matter.
func (d *document) Source(keyword string) Source {
	if i := d.index(keyword); i >= 0 {
		return d.source(d.nodes()[i])
	}
	return Source{File: fromDefault}
}

// The names of sources that are not files.
const (
	fromDefault = "default"
	fromFlags   = "command line"
)

func (d *document) nodes() []ssh_config.Node { return d.config.Hosts[0].Nodes }

// value returns the first value of keyword, empty where it is unset.
func (d *document) value(keyword string) string {
	if i := d.index(keyword); i >= 0 {
		return d.nodes()[i].(*ssh_config.KV).Value
	}
	return ""
}

// index returns the place of the first value of keyword; negative where it is unset.
func (d *document) index(keyword string) int {
	return slices.IndexFunc(d.nodes(), func(node ssh_config.Node) bool {
		kv, ok := node.(*ssh_config.KV)
		return ok && strings.EqualFold(kv.Key, keyword)
	})
}

// values returns every value of keyword in the order obtained.
func (d *document) values(keyword string) []string {
	var all []string
	for _, e := range d.entries(keyword) {
		all = append(all, e.value)
	}
	return all
}

func (d *document) has(keyword string) bool { return d.index(keyword) >= 0 }

// is reports whether the first value of keyword is one of words.
func (d *document) is(keyword string, words ...string) bool {
	return slices.Contains(words, d.value(keyword))
}

// set stores value unless keyword has one already: the first value wins.
func (d *document) set(keyword, value string, from Source) bool {
	if d.has(keyword) {
		return false
	}
	d.add(keyword, value, from)
	return true
}

// add stores one more value of keyword.
func (d *document) add(keyword, value string, from Source) {
	node := &ssh_config.KV{Key: keyword, Value: value}
	d.sources[node] = from
	d.config.Hosts[0].Nodes = append(d.config.Hosts[0].Nodes, node)
}

// stock has a node for each default of the table. All documents share them, which nobody changes: a process has a document for each of
// its tunnels, and nearly all of it is defaults.
var stock = sync.OnceValue(func() map[[2]string]*ssh_config.KV {
	nodes := make(map[[2]string]*ssh_config.KV)
	for _, k := range table() {
		for _, value := range k.initial {
			nodes[[2]string{k.name, value}] = &ssh_config.KV{Key: k.name, Value: value}
		}
	}
	return nodes
})

// addDefault stores a default of the table.
func (d *document) addDefault(keyword, value string) {
	d.config.Hosts[0].Nodes = append(d.config.Hosts[0].Nodes, stock()[[2]string{keyword, value}])
}

// source returns where a node came from.
func (d *document) source(node ssh_config.Node) Source {
	if from, ok := d.sources[node]; ok {
		return from
	}
	return Source{File: fromDefault}
}

// replace stores value in the place of all that keyword had.
func (d *document) replace(keyword, value string, from Source) {
	d.remove(keyword, nil)
	d.add(keyword, value, from)
}

// rewrite changes each value of keyword in place; it keeps the sources. The first error ends it.
func (d *document) rewrite(keyword string, change func(string) (string, error)) error {
	for i, node := range d.nodes() {
		kv, ok := node.(*ssh_config.KV)
		if !ok || !strings.EqualFold(kv.Key, keyword) {
			continue
		}
		value, err := change(kv.Value)
		if err != nil {
			return err
		}
		if value != kv.Value {
			from := d.source(node)
			delete(d.sources, node)
			changed := &ssh_config.KV{Key: kv.Key, Value: value}
			d.nodes()[i], d.sources[changed] = changed, from
		}
	}
	return nil
}

// remove drops the values of keyword for which drop is true, or all of them where drop is nil.
func (d *document) remove(keyword string, drop func(string) bool) {
	d.config.Hosts[0].Nodes = slices.DeleteFunc(d.nodes(), func(node ssh_config.Node) bool {
		kv, ok := node.(*ssh_config.KV)
		dropped := ok && strings.EqualFold(kv.Key, keyword) && (drop == nil || drop(kv.Value))
		if dropped {
			delete(d.sources, node)
		}
		return dropped
	})
}

// entry is one stored option with its origin.
type entry struct {
	keyword, value string
	source         Source
}

// entries lists the stored options of the given keywords in the order obtained; without keywords, all.
func (d *document) entries(keywords ...string) []entry {
	var all []entry
	for _, node := range d.nodes() {
		kv, ok := node.(*ssh_config.KV)
		if ok && (len(keywords) == 0 || containsFold(keywords, kv.Key)) {
			all = append(all, entry{kv.Key, kv.Value, d.source(node)})
		}
	}
	return all
}

func containsFold(words []string, word string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(w, word) })
}
