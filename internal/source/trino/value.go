package trino

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/source"
)

// layouts of times. A zone is an offset, or a name behind a blank.
const (
	clock     = "15:04:05.999999999"
	plainTime = "2006-01-02 15:04:05.999999999"
	zonedTime = "2006-01-02 15:04:05.999999999 -07:00"
)

// Value reads the text of a value by its column's type, such as decimal(10,2). What cannot be read stays text.
func Value(text, kind string) any {
	switch bare(kind) {
	case "boolean":
		if b, err := strconv.ParseBool(text); err == nil {
			return b
		}
	case "tinyint", "smallint", "integer", "int", "bigint":
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n
		}
	case "float", "real", "double", "decimal":
		return source.Number(text)
	case "date":
		if t, err := time.Parse(time.DateOnly, text); err == nil {
			return engine.Date{Time: t}
		}
	case "timestamp":
		if t, err := time.Parse(plainTime, text); err == nil {
			return t
		}
	case "timestamp with time zone":
		return zoned(text)
	case "time":
		if t, err := time.Parse(clock, text); err == nil {
			return t.Format(clock)
		}
	case "varbinary":
		if b, err := base64.StdEncoding.DecodeString(text); err == nil {
			return string(b)
		}
	}
	return text
}

func zoned(text string) any {
	if t, err := time.Parse(zonedTime, text); err == nil {
		return t
	}
	if i := strings.LastIndexByte(text, ' '); i > 0 {
		if zone, err := time.LoadLocation(text[i+1:]); err == nil {
			if t, err := time.ParseInLocation(plainTime, text[:i], zone); err == nil {
				return t
			}
		}
	}
	return text
}

// bare is a type without its parameters: timestamp with time zone for timestamp(3) with time zone.
func bare(kind string) string {
	before, rest, _ := strings.Cut(kind, "(")
	_, after, _ := strings.Cut(rest, ")")
	return before + after
}
