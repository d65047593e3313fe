// Package zone knows the time zones that TZ describes by itself, as the C library does, and the time package does not.
package zone

import (
	"encoding/binary"
	"strings"
	"time"
)

// unknown is the name of the zone of a Location whose rule is none. No rule can have it.
const unknown = "?"

// Described returns the zone that a value of TZ describes by a rule of POSIX, such as EST5EDT,M3.2.0,M11.1.0 or <+0330>-3:30, which
// needs no files (tzset(3)). It is nil where the value is no rule, and where it names a file, which goes before and which the time
// package knows.
func Described(tz string) *time.Location {
	rule := strings.TrimPrefix(tz, ":")
	if _, err := time.LoadLocation(rule); err == nil { // UTC, too, where there is none
		return nil
	}
	location, err := time.LoadLocationFromTZData("Local", fileOf(rule))
	if err != nil {
		return nil
	}
	if name, _ := time.Now().In(location).Zone(); name == unknown {
		return nil
	}
	return location
}

// fileOf returns a file of time zone information (RFC 8536) that knows of no time, and so has all follow the rule in its footer.
func fileOf(rule string) []byte {
	part := append([]byte("TZif2"), make([]byte, 15)...)
	for _, count := range []uint32{0, 0, 0, 0, 1, uint32(len(unknown) + 1)} { // one kind of local time, with its name
		part = binary.BigEndian.AppendUint32(part, count)
	}
	part = append(part, make([]byte, 6)...) // UTC, no summer time, the first name
	part = append(part, unknown+"\x00"...)
	file := append(part, part...) // for readers of 32 bits, and of 64
	return append(file, "\n"+rule+"\n"...)
}
