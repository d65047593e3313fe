// Package bytesize reads sizes as OpenSSH does. It is a leaf.
package bytesize

import (
	"math"
	"strings"
)

// Parse reads a size as OpenSSH's scan_scaled does: digits with an optional fraction and one of the letters B, K, M, G,
// T, P and E, each 1024 times the one before.
func Parse(text string) (int64, bool) {
	text = strings.TrimLeft(text, " \t\n\v\f\r")
	sign := int64(1)
	signs := len(text) - len(strings.TrimLeft(text, "+-"))
	if signs > 1 {
		return 0, false
	}
	if signs == 1 {
		if text[0] == '-' {
			sign = -1
		}
		text = text[1:]
	}
	whole, fraction, digits, rest, ok := decimal(text)
	if !ok {
		return 0, false
	}
	if rest == "" {
		return sign * whole, true
	}
	factor, ok := sizeFactor(rest)
	if !ok || whole > math.MaxInt64/factor {
		return 0, false
	}
	return sign * (whole*factor + scaleFraction(fraction, digits, factor)), true
}

// maxSizeDigits is scan_scaled's limit on digits before the point; it ignores more after it.
const maxSizeDigits = 21

// decimal reads digits with at most one point. The fraction is fraction/10^digits.
func decimal(text string) (whole, fraction int64, digits int, rest string, ok bool) {
	point, wholeDigits := false, 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '.' && point:
			return 0, 0, 0, "", false
		case c == '.':
			point = true
		case c < '0' || c > '9':
			return whole, fraction, digits, text[i:], true
		case point && digits < maxSizeDigits-2:
			if fraction, ok = appendDigit(fraction, c); !ok {
				return 0, 0, 0, "", false
			}
			digits++
		case !point:
			wholeDigits++
			if whole, ok = appendDigit(whole, c); !ok || wholeDigits >= maxSizeDigits {
				return 0, 0, 0, "", false
			}
		}
	}
	return whole, fraction, digits, "", true
}

func appendDigit(number int64, digit byte) (int64, bool) {
	d := int64(digit - '0')
	if number > math.MaxInt64/10 || number*10 > math.MaxInt64-d {
		return 0, false
	}
	return number*10 + d, true
}

// sizeFactor reads a unit; a letter or digit behind it is wrong, any other text is not looked at.
func sizeFactor(text string) (int64, bool) {
	power := strings.IndexByte("BKMGTPE", text[0]&^0x20)
	if power < 0 || len(text) > 1 && isAlphanumeric(text[1]) {
		return 0, false
	}
	return 1 << (10 * power), true
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// scaleFraction loses digits of the fraction where they would overflow.
func scaleFraction(fraction int64, digits int, factor int64) int64 {
	for fraction >= math.MaxInt64/factor {
		fraction /= 10
		digits--
	}
	fraction *= factor
	for range digits {
		fraction /= 10
	}
	return fraction
}
