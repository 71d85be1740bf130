package config

import (
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// Lookup gives the text of a setting, and whether it is set. os.LookupEnv is one.
type Lookup func(name string) (value string, ok bool)

// With puts values, such as those of flags, before what l gives.
func (l Lookup) With(values map[string]string) Lookup {
	values = maps.Clone(values)
	return func(name string) (string, bool) {
		if v, ok := values[name]; ok {
			return v, true
		}
		return l(name)
	}
}

// Mistake is one setting that cannot be used. It never contains a secret.
type Mistake struct {
	Setting string
	What    string // is wrong with it
	Fix     string // how to put it right
}

func (m Mistake) Error() string { return m.Setting + " " + m.What + ": " + m.Fix }

// Mistakes is every mistake in the settings, one a line.
type Mistakes []Mistake

func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i := range m {
		lines[i] = m[i].Error()
	}
	return strings.Join(lines, "\n")
}

// sourcePrefix begins the names of variables that data sources of scan definitions refer to; they are no settings.
const sourcePrefix = "SODALITE_SOURCE_"

// Unknown lists names in an environment (as os.Environ gives it) that begin like a setting, but are none: probably typing
// errors, worth a warning.
func Unknown(environ []string) []string {
	var names []string
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "SODALITE_") && !strings.HasPrefix(name, sourcePrefix) && !slices.Contains(Names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// reader reads settings and collects what is wrong with them. An empty setting is one that is not set.
type reader struct {
	get      Lookup
	mistakes Mistakes
	wrong    map[string]bool
}

func (r *reader) mistake(setting, what, fix string) {
	if r.wrong == nil {
		r.wrong = map[string]bool{}
	}
	r.wrong[setting] = true
	r.mistakes = append(r.mistakes, Mistake{setting, what, fix})
}

func (r *reader) text(name string) string {
	v, _ := r.get(name)
	return strings.TrimSpace(v)
}

func (r *reader) or(name, byDefault string) string {
	if v := r.text(name); v != "" {
		return v
	}
	return byDefault
}

// problem is what a check found: what is wrong, and how to fix it. Empty for nothing.
type problem struct{ what, fix string }

func (r *reader) checked(name string, check func(string) problem) string {
	v := r.text(name)
	if v == "" {
		return ""
	}
	if p := check(v); p != (problem{}) {
		r.mistake(name, p.what, p.fix)
	}
	return v
}

func (r *reader) choice(name, byDefault string, choices ...string) string {
	v := strings.ToLower(r.or(name, byDefault))
	if !slices.Contains(choices, v) {
		r.mistake(name, "is "+quote(v), "use "+strings.Join(choices[:2], " or "))
	}
	return v
}

// namespaceOf is what CloudWatch takes: "PutMetricData" in its API reference.
var namespaceOf = regexp.MustCompile(`^[A-Za-z0-9._/#:-]+$`)

func checkNamespace(v string) problem {
	if len(v) > 255 || !namespaceOf.MatchString(v) || strings.HasPrefix(v, "AWS/") {
		return problem{"is " + quote(v), "use letters, digits and . _ / # : -, such as Sodalite/prod"}
	}
	return problem{}
}

// quote shows a value that is not secret.
func quote(v string) string {
	const most = 100
	if runes := []rune(v); len(runes) > most {
		v = string(runes[:most]) + "…"
	}
	return strconv.Quote(v)
}

func (r *reader) listen(name, byDefault string) string {
	v := r.or(name, byDefault)
	host, port, err := net.SplitHostPort(v)
	n, portErr := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil:
		r.mistake(name, "is "+quote(v), "write host:port, such as "+byDefault+", or :8088 for all addresses")
	case portErr != nil:
		r.mistake(name, "has the port "+quote(port), "use a number from 0 to 65535; 0 picks a free one")
	case strings.ContainsAny(host, "/@ "):
		r.mistake(name, "has the host "+quote(host), "write host:port without http://, such as "+byDefault)
	default:
		return net.JoinHostPort(host, strconv.FormatUint(n, 10))
	}
	return v
}

var retentionPattern = regexp.MustCompile(`^([0-9]{1,7})(mo|d|h)$`)

func (r *reader) retention(name string, byDefault time.Duration) time.Duration {
	v := r.text(name)
	if v == "" {
		return byDefault
	}
	m := retentionPattern.FindStringSubmatch(v)
	if m == nil {
		r.mistake(name, "is "+quote(v), "write a number of months, days or hours, such as 13mo, 400d or 720h")
		return byDefault
	}
	n, _ := strconv.ParseInt(m[1], 10, 64) // seven digits
	unit := map[string]time.Duration{"mo": month, "d": day, "h": time.Hour}[m[2]]
	if n > int64(maxRetention/unit) || time.Duration(n)*unit < minRetention {
		r.mistake(name, "is "+quote(v), "use a time from 1h to 1200mo")
		return byDefault
	}
	return time.Duration(n) * unit
}

func (r *reader) size(name string, inLambda bool) int64 {
	byDefault, most := int64(defaultMaxBody), uint64(maxMaxBody)
	if inLambda {
		byDefault, most = lambdaMaxBody, lambdaMaxBody
	}
	v := r.text(name)
	if v == "" {
		return byDefault
	}
	n, err := humanize.ParseBytes(v)
	switch {
	case err != nil:
		r.mistake(name, "is "+quote(v), "write a size, such as 32MB, 8MiB or a number of bytes")
	case n < minMaxBody || n > most || n > math.MaxInt64:
		r.mistake(name, "is "+quote(v), fmt.Sprintf("use a size from %s to %s", humanize.Bytes(minMaxBody), humanize.Bytes(most)))
	default:
		return int64(n)
	}
	return byDefault
}

func (r *reader) level(name string) slog.Level {
	var level slog.Level
	v := r.or(name, "info")
	if strings.EqualFold(v, "warning") {
		v = "warn"
	}
	if err := level.UnmarshalText([]byte(v)); err != nil {
		r.mistake(name, "is "+quote(v), "use debug, info, warn or error")
	}
	return level
}

func (r *reader) secret(name, arnName string, check func(string) problem) SecretSetting {
	s := SecretSetting{Name: name, Value: Secret(r.checked(name, check)), ARN: r.checked(arnName, checkSecretARN), check: check}
	if s.Value != "" && s.ARN != "" {
		r.mistake(arnName, "is set, and "+name+" too", "set one of the two")
	}
	return s
}
