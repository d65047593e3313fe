//go:build !unix

package tunnel

// descriptorsScarce is for systems that limit open files.
func descriptorsScarce() bool { return false }
