package wording

import (
	"encoding/json"
	"math/big"
	"strconv"
	"time"
)

var units = []struct {
	ms     uint64
	suffix string
}{
	{24 * 60 * 60 * 1000, "d"},
	{60 * 60 * 1000, "h"},
	{60 * 1000, "m"},
	{1000, "s"},
	{1, "ms"},
}

// FormatDuration is a duration by its two largest units, rounded down: "32d 9h", "1h", "4m 10s", "250ms", "-3h 5m".
func FormatDuration(d time.Duration) string { return FormatMillis(d.Milliseconds()) }

// FormatMillis is [FormatDuration] for milliseconds, which reach beyond the 292 years of a time.Duration.
func FormatMillis(ms int64) string {
	sign, rest := "", uint64(ms)
	if ms < 0 {
		sign, rest = "-", -uint64(ms)
	}
	for i, u := range units {
		if rest < u.ms {
			continue
		}
		s := sign + strconv.FormatUint(rest/u.ms, 10) + u.suffix
		if i+1 < len(units) && units[i+1].suffix != "ms" {
			next := units[i+1]
			if n := rest % u.ms / next.ms; n > 0 {
				s += " " + strconv.FormatUint(n, 10) + next.suffix
			}
		}
		return s
	}
	return "0s"
}

// millis is the whole milliseconds of a value, if it is a number in range.
func millis(n json.Number) (int64, bool) {
	r, ok := rational(string(n))
	if !ok {
		return 0, false
	}
	q := new(big.Int).Quo(r.Num(), r.Denom())
	return q.Int64(), q.IsInt64()
}
