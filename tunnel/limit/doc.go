// Package limit is about who may have how many of what there is not enough of: descriptors, opens without an answer, sessions
// on a connection.
package limit
