package sodacl

import (
	"maps"
	"slices"
	"strings"
)

// Formats are the named formats of "valid format" and its like, as regular expressions. They are those of Soda Core 3.5.6,
// with their oddities (an e-mail's top level domain has 2 to 4 letters, a credit card number's anchors bind to its first and
// last alternative only), because teams have tuned their checks to them.
var Formats = formats()

func formatNames() []string { return slices.Sorted(maps.Keys(Formats)) }

// NumericFormat tells whether a column of the format holds numbers as text.
func NumericFormat(name string) bool {
	return strings.Contains(name, "integer") || strings.Contains(name, "decimal") || strings.Contains(name, "percentage") || strings.HasPrefix(name, "money")
}

func formats() map[string]string {
	const (
		either = `(\d+([\.,]\d+)?|([\.,]\d+))`
		point  = `(\d+(\.\d+)?|(\.\d+))`
		comma  = `(\d+(,\d+)?|(,\d+))`

		zeroEither = `(0+([\.,]0+)?|([\.,]0+))`
		zeroPoint  = `(0+(\.0+)?|(\.0+))`
		zeroComma  = `(0+(,0+)?|(,0+))`

		currency = `([A-Z]{3}|[a-z]{3})`
		month    = `(0?[1-9]|1[012])`
		day      = `(0?[1-9]|[12][0-9]|3[01])`
		year     = `([12][0-9])?\d\d`
		hour24   = `(0?[0-9]|[01]\d|2[0-3])`
		hour12   = `(0?[0-9]|1[0-2])`
		hex4     = `[0-9a-fA-F]{4}`
	)
	f := map[string]string{
		"integer":          `^ *[-+]? *[0-9]+ *$`,
		"positive integer": `^ *\+? *[0-9]+ *$`,
		"negative integer": `^ *(\- *[0-9]+|0+) *$`,
		"money":            `^ *[-+]? *` + either + ` *` + currency + ` *$`,
		"money point":      `^ *[-+]? *\d{1,3}(\,\d\d\d)*(.\d+)? *` + currency + ` *$`,
		"money comma":      `^ *[-+]? *\d{1,3}(\.\d\d\d)*(,\d+)? *` + currency + ` *$`,
		"date us":          `^ *` + month + `[-\./]` + day + `[-\./]` + year + ` *$`,
		"date eu":          `^ *` + day + `[-\./]` + month + `[-\./]` + year + ` *$`,
		"date inverse":     `^ *` + year + `[-\./]` + month + `[-\./]` + day + ` *$`,
		"date iso 8601": `^ *[12][0-9]{3}-?((0[1-9]|1[012])-?(0[1-9]|[12][0-9]|3[01])|W[0-5]\d(-?[1-7])?|[0-3]\d\d)` +
			`([ T]` + hour24 + `(:?[0-5][0-9](:?[0-5][0-9]([.,]\d+)?)?)?([+-]` + hour24 + `:?[0-5][0-9]|Z)?)? *$`,
		"time 24h":       `^ *` + hour24 + `:[0-5]?[0-9](:[0-5]?[0-9]([.,]\d+)?)? *$`,
		"time 24h nosec": `^ *` + hour24 + `:[0-5]?[0-9] *$`,
		"time 12h":       `^ *` + hour12 + `:[0-5]?[0-9](:[0-5]?[0-9]([.,]\d+)?)? *$`,
		"time 12h nosec": `^ *` + hour12 + `:[0-5]?[0-9] *$`,
		"timestamp 24h":  `^ *` + hour24 + `:[0-5]?[0-9]:[0-5]?[0-9]([.,]\d+)? *$`,
		"timestamp 12h":  `^ *` + hour12 + `:[0-5]?[0-9]:[0-5]?[0-9]([.,]\d+)? *$`,
		"uuid":           `^[0-9a-fA-F]{8}-` + hex4 + `-` + hex4 + `-` + hex4 + `-[0-9a-fA-F]{12}$`,
		"ip address":     `^[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}$`,
		"ipv4 address":   `^[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}$`,
		"ipv6 address":   ipv6(),
		"email":          `^[a-zA-ZÀ-ÿĀ-ſƀ-ȳ0-9.\-_%+]+@[a-zA-ZÀ-ÿĀ-ſƀ-ȳ0-9.\-_%]+\.[A-Za-z]{2,4}$`,
		"phone number":   `^((\+[0-9]{1,2}\s)?\(?[0-9]{3}\)?[\s.-])?[0-9]{3}[\s.-][0-9]{4}$`,
		"credit card number": `^[0-9]{14}|[0-9]{15}|[0-9]{16}|[0-9]{17}|[0-9]{18}|[0-9]{19}|` +
			`([0-9]{4}-){3}[0-9]{4}|([0-9]{4} ){3}[0-9]{4}$`,
	}
	for _, family := range []struct{ suffix, number, zero string }{{"", either, zeroEither}, {" point", point, zeroPoint}, {" comma", comma, zeroComma}} {
		for _, unit := range []struct{ name, end string }{{"decimal", " *$"}, {"percentage", " *% *$"}} {
			f[unit.name+family.suffix] = `^ *[-+]? *` + family.number + unit.end
			f["positive "+unit.name+family.suffix] = `^ *\+? *` + family.number + unit.end
			f["negative "+unit.name+family.suffix] = `^ *(\- *` + family.number + `|` + family.zero + `)` + unit.end
		}
	}
	return f
}

func ipv6() string {
	const h = `[0-9a-fA-F]{1,4}`
	const q = `(25[0-5]|(2[0-4]|1{0,1}[0-9]){0,1}[0-9])`
	forms := []string{
		`(` + h + `:){7}` + h, `(` + h + `:){1,7}:`, `(` + h + `:){1,6}:` + h, `(` + h + `:){1,5}(:` + h + `){1,2}`, `(` + h + `:){1,4}(:` + h + `){1,3}`,
		`(` + h + `:){1,3}(:` + h + `){1,4}`, `(` + h + `:){1,2}(:` + h + `){1,5}`, h + `:((:` + h + `){1,6})`, `:((:` + h + `){1,7}|:)`,
		`fe80:(:[0-9a-fA-F]{0,4}){0,4}%[0-9a-zA-Z]+`, `::(ffff(:0{1,4})?:)?(` + q + `\.){3}` + q, `(` + h + `:){1,4}:(` + q + `\.){3}` + q,
	}
	return `^(` + strings.Join(forms, "|") + `)$`
}
