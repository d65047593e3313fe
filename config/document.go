package config

import "github.com/kevinburke/ssh_config"

// document holds the active options in ssh_config's own model and answers look-ups by keyword.
type document struct {
	config  *ssh_config.Config // one Host * with every active option in the order obtained; first value wins
	sources map[string]Source  // by lower-case keyword: where the effective value came from
}

// Source tells where the effective value of keyword came from; File is "default" where nobody set it.
func (d *document) Source(keyword string) Source {
	if s, ok := d.sources[keyword]; ok {
		return s
	}
	return Source{File: "default"}
}
