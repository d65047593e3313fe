//go:build !linux

package tunnel

// resettable returns conn as it is: a Unix connection cannot be reset here.
func resettable(conn stream) stream { return conn }
