package wording

import (
	"encoding/json"
	"math/big"
	"regexp"
	"strings"
)

// The longest literal that is converted; longer ones are shown as they came. Exponents are bounded too, since a short
// "1e999999999" would take gigabytes to write out.
const maxLiteral = 400

var literal = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?$`)

// FormatNumber writes a number for people. Integers are exact ("1,234,567", "5" for "5.0"); other numbers keep at least
// four significant digits ("33.3333", "0.001235"), and never so few that they read as an integer or zero which they are
// not: a value just under its threshold must not look equal to it. What is no number is returned as it came.
func FormatNumber(n json.Number) string {
	s := string(n)
	r, ok := rational(s)
	if !ok {
		return s
	}
	if r.IsInt() {
		return groupDigits(r.Num().String())
	}
	for places := decimals(r); places < maxLiteral; places *= 2 {
		rounded := strings.TrimRight(strings.TrimRight(r.FloatString(places), "0"), ".")
		if strings.Contains(rounded, ".") {
			whole, fraction, _ := strings.Cut(rounded, ".")
			return groupDigits(whole) + "." + fraction
		}
	}
	return s
}

// decimals is the number of decimal places that show r well: two for thousands, four below, and for numbers under one
// four beyond the leading zeros.
func decimals(r *big.Rat) int {
	abs, one := new(big.Rat).Abs(r), big.NewRat(1, 1)
	if abs.Cmp(big.NewRat(1000, 1)) >= 0 {
		return 2
	}
	places, ten := 4, big.NewRat(10, 1)
	for abs.Mul(abs, ten).Cmp(one) < 0 {
		places++
	}
	return places
}

func rational(s string) (*big.Rat, bool) {
	if len(s) > maxLiteral || !literal.MatchString(s) {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

// groupDigits puts commas between thousands of a decimal integer, from five digits on: 2024 stays 2024.
func groupDigits(s string) string {
	sign, digits := "", s
	if strings.HasPrefix(s, "-") {
		sign, digits = "-", s[1:]
	}
	if len(digits) < 5 {
		return s
	}
	var b strings.Builder
	b.WriteString(sign)
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}
