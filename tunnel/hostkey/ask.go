package hostkey

import "context"

// Asker asks a person to confirm something.
type Asker interface {
	// Confirm shows prompt, a question without its question mark, and how to answer, and reports whether the answer was yes, or
	// also, unless that is empty: the fingerprint in question. An error means that there is nobody to ask.
	Confirm(ctx context.Context, prompt, also string) (bool, error)
}
