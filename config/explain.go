package config

import (
	"io"
)

// Explain is written below.
func (o *Options) Explain(w io.Writer) error { return o.Print(w) }
