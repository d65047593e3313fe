//go:build !unix

package tunnel

import "math"

// descriptorsScarce is for systems that limit open files.
func descriptorsScarce() bool { return false }

// descriptorPlaces is for systems that limit open files.
func descriptorPlaces() int { return math.MaxInt32 }
