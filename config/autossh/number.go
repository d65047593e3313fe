package autossh

import (
	"math"
	"strings"
)

// autossh reads numbers with strtol(3) and strtoul(3) in base 0 and keeps most in an int: "0x10" and "010" are numbers, blanks
// and a sign may stand before them, and what does not fit is cut off.

// unsigned is strtoul(3) kept in an int; ok is false where it is not a number to its end.
func unsigned(text string) (value int64, ok bool) {
	long, ok := unsignedLong(text)
	return int64(int32(long)), ok
}

// unsignedLong is strtoul(3): a number below zero comes out as a huge one.
func unsignedLong(text string) (value uint64, ok bool) {
	magnitude, negative, fits, ok := magnitude(text)
	switch {
	case !fits:
		return math.MaxUint64, ok
	case negative:
		return -magnitude, ok
	}
	return magnitude, ok
}

// signed is strtol(3).
func signed(text string) (value int64, ok bool) {
	magnitude, negative, fits, ok := magnitude(text)
	switch {
	case negative && (!fits || magnitude > math.MaxInt64):
		return math.MinInt64, ok
	case negative:
		return -int64(magnitude), ok
	case !fits || magnitude > math.MaxInt64:
		return math.MaxInt64, ok
	}
	return int64(magnitude), ok
}

// magnitude reads a number with its sign; fits is false where it is too large for 64 bits.
func magnitude(text string) (value uint64, negative, fits, ok bool) {
	text = strings.TrimLeft(text, " \t\n\v\f\r")
	if text != "" && (text[0] == '-' || text[0] == '+') {
		negative, text = text[0] == '-', text[1:]
	}
	base := uint64(10)
	switch {
	case len(text) > 2 && text[0] == '0' && text[1]|0x20 == 'x':
		base, text = 16, text[2:]
	case len(text) > 1 && text[0] == '0':
		base, text = 8, text[1:]
	}
	fits = true
	for i := range len(text) {
		digit := digitOf(text[i])
		if digit >= base {
			return 0, false, true, false
		}
		if value > (math.MaxUint64-digit)/base {
			fits = false
		}
		value = value*base + digit
	}
	return value, negative, fits, text != ""
}

// digitOf returns the value of a digit, and more than any base has for what is none.
func digitOf(c byte) uint64 {
	switch {
	case c >= '0' && c <= '9':
		return uint64(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return uint64(c|0x20-'a') + 10
	}
	return math.MaxUint64 >> 1
}
