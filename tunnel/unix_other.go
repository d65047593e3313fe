//go:build !linux

package tunnel

// resettable gives conn as it is: a Unix connection can not be reset here.
func resettable(conn stream) stream { return conn }
