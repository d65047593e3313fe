// Package numeral reads numbers, ports and times as OpenSSH does, with the C library: what a file may hold is what strtol(3) takes, blanks
// and a sign before a number, and in base 0 the prefixes 0x and 0.
package numeral

import (
	"math"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Space is what isspace(3) knows.
const Space = " \t\n\v\f\r"

// Leading reads a number at the start of text and returns what follows it. A number out of range saturates, and ranged is
// false. ok is false where there is no digit.
func Leading(text string, base int) (value int64, rest string, ranged, ok bool) {
	digits := strings.TrimLeft(text, Space)
	minus := strings.HasPrefix(digits, "-")
	if minus || strings.HasPrefix(digits, "+") {
		digits = digits[1:]
	}
	digits, base = basePrefix(digits, base)
	end := 0
	for end < len(digits) && Digit(digits[end]) < base {
		end++
	}
	if end == 0 {
		return 0, text, true, false
	}
	number := digits[:end]
	if minus {
		number = "-" + number
	}
	value, err := strconv.ParseInt(number, base, 64)
	return value, digits[end:], err == nil, true
}

// basePrefix returns the base that the first digits stand for in base 0, and drops "0x" where a hexadecimal digit follows.
func basePrefix(digits string, base int) (string, int) {
	hex := len(digits) > 2 && digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X') && Digit(digits[2]) < 16
	switch {
	case base == 0 && hex:
		return digits[2:], 16
	case base == 0 && strings.HasPrefix(digits, "0"):
		return digits, 8
	case base == 0:
		return digits, 10
	}
	return digits, base
}

// Digit returns what a digit is worth in a base up to 36; 99: it is none.
func Digit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'z':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'Z':
		return int(c-'A') + 10
	}
	return 99
}

// Whole is OpenSSH's strtonum from 0 to max: the whole text must be one decimal number.
func Whole(text string, max int64) (int64, bool) {
	value, rest, ranged, ok := Leading(text, 10)
	return value, ok && ranged && rest == "" && value >= 0 && value <= max
}

// Port reads a port: 0 to 65535, or the name of a TCP service.
func Port(text string) (int, bool) {
	if port, ok := Whole(text, 65535); ok {
		return int(port), true
	}
	return servicePort(text)
}

// SSHPort is the port of the service "ssh", 22 where /etc/services does not say otherwise.
func SSHPort() int {
	if port, ok := servicePort("ssh"); ok {
		return port
	}
	return 22
}

// servicePort finds a TCP service by its name or one of its other names, as getservbyname(3) does. Where the machine has no
// list of services, Go's own short one holds.
func servicePort(name string) (int, bool) {
	if name == "" {
		return 0, false
	}
	text, err := os.ReadFile(servicesFile)
	if err != nil {
		port, err := net.LookupPort("tcp", name)
		return port, err == nil
	}
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) < 2 || !slices.Contains(append(fields[2:], fields[0]), name) {
			continue
		}
		port, protocol, _ := strings.Cut(fields[1], "/")
		if number, ok := Whole(port, 65535); ok && protocol == "tcp" {
			return int(number), true
		}
	}
	return 0, false
}

// Seconds reads a time as sshd_config(5) TIME FORMATS has it: "90", "1m30s", "1w". Its range is that of a C int.
func Seconds(text string) (int, bool) {
	if text == "" {
		return 0, false
	}
	var total int64
	for text != "" {
		value, rest, ranged, ok := Leading(text, 10)
		if !ok || !ranged || value < 0 {
			return 0, false
		}
		unit := int64(1)
		if rest != "" {
			if unit = timeUnit(rest[0]); unit == 0 {
				return 0, false
			}
			rest = rest[1:]
		}
		if value > math.MaxInt32/unit || total > math.MaxInt32-value*unit {
			return 0, false
		}
		total += value * unit
		text = rest
	}
	return int(total), true
}

func timeUnit(c byte) int64 {
	switch c {
	case 's', 'S':
		return 1
	case 'm', 'M':
		return 60
	case 'h', 'H':
		return 60 * 60
	case 'd', 'D':
		return 24 * 60 * 60
	case 'w', 'W':
		return 7 * 24 * 60 * 60
	}
	return 0
}

// IsAlphanumeric reports whether c is an ASCII letter or digit.
func IsAlphanumeric(c byte) bool { return Digit(c) < 36 }
