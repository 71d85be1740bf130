package doctor

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/stream"
)

// Table is what AWS says of a DynamoDB table.
type Table struct {
	Name, Status string
	Keys         string // partition and sort key, such as "pk sk"
	IndexKeys    string // of the index "index", "" if there is none
	Projected    []string
	StreamARN    string
	StreamView   string // "" for no stream
	TimeToLive   string // attribute, "" if off
	Recovery     bool   // point in time
	Protected    bool   // from deletion
	// Clock is AWS's time when it said so, against Now of this machine.
	Clock, Now time.Time
}

// Mapping is what AWS says of an event source mapping on the table's stream.
type Mapping struct {
	Function   string // physical name
	State      string // Enabled, Disabled, …
	LastResult string
	Patterns   []string
	Failures   int // messages in its failure destination, -1 if it has none
}

// Cloud describes what is in AWS.
type Cloud interface {
	Table(ctx context.Context) (Table, error)
	// Mappings are those of the stream of that ARN.
	Mappings(ctx context.Context, streamARN string) ([]Mapping, error)
}

// skew is how far this machine's clock may be off. AWS refuses signatures at five minutes.
const skew = time.Minute

// OnAWS are the checks of a deployment on AWS; wanted are the mappings of its template.
func OnAWS(c Cloud, wanted []stream.Mapping) []Check {
	checks := []Check{{"table", func(ctx context.Context) Finding {
		t, err := c.Table(ctx)
		if err != nil {
			return Failed(err)
		}
		return shape(t)
	}}}
	add := func(name string, look func(context.Context, Table) Finding) {
		checks = append(checks, Check{name, func(ctx context.Context) Finding {
			t, err := c.Table(ctx)
			if err != nil {
				return Unset("the table could not be looked at")
			}
			return look(ctx, t)
		}})
	}
	add("table's stream", streams)
	add("expiry", expiry)
	add("recovery", recovery)
	add("protection", protection)
	add("clock", clock)
	for _, w := range wanted {
		add("stream to "+w.Function, func(ctx context.Context, t Table) Finding { return woken(ctx, c, t, w) })
	}
	return checks
}

func shape(t Table) Finding {
	fix := "deploy the template again, or restore the table from a backup: docs/runbook.md"
	switch {
	case t.Status != "ACTIVE":
		return Bad(Wrong, "wait until it is ACTIVE", "%s is %s", t.Name, t.Status)
	case t.Keys != "pk sk":
		return Bad(Wrong, fix, "%s has the keys %q, want pk sk: it is no table of ours", t.Name, t.Keys)
	case t.IndexKeys != "ipk isk":
		return Bad(Wrong, fix, "%s lacks the index named index with the keys ipk isk", t.Name)
	}
	for _, attribute := range []string{"entity", "version", "expires", "head"} {
		if !strings.Contains(" "+strings.Join(t.Projected, " ")+" ", " "+attribute+" ") {
			return Bad(Wrong, fix, "the index of %s does not carry %s", t.Name, attribute)
		}
	}
	return Fine("%s is active, keys and index are as they should be", t.Name)
}

func streams(_ context.Context, t Table) Finding {
	fix := "aws dynamodb update-table --table-name " + t.Name + " --stream-specification StreamEnabled=true,StreamViewType=KEYS_ONLY, then deploy"
	switch t.StreamView {
	case "":
		return Bad(Wrong, fix, "the table has no stream: nothing that is pushed will be shown")
	case "KEYS_ONLY":
		return Fine("on, with keys only")
	}
	return Bad(Warning, "", "on, with %s: works, batches are larger than they need to be", t.StreamView)
}

func expiry(_ context.Context, t Table) Finding {
	if t.TimeToLive != "expires" {
		return Bad(Wrong, "aws dynamodb update-time-to-live --table-name "+t.Name+" --time-to-live-specification Enabled=true,AttributeName=expires",
			"nothing is ever removed: time-to-live is not on")
	}
	return Fine("on")
}

func recovery(_ context.Context, t Table) Finding {
	if !t.Recovery {
		return Bad(Warning, "aws dynamodb update-continuous-backups --table-name "+t.Name+" --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true",
			"there is no point-in-time recovery")
	}
	return Fine("to any second of the last 35 days")
}

func protection(_ context.Context, t Table) Finding {
	if !t.Protected {
		return Bad(Warning, "aws dynamodb update-table --table-name "+t.Name+" --deletion-protection-enabled", "anybody with the permission can delete the table")
	}
	return Fine("the table cannot be deleted by mistake")
}

func clock(_ context.Context, t Table) Finding {
	if t.Clock.IsZero() {
		return Unset("AWS did not tell its time")
	}
	if off := t.Now.Sub(t.Clock).Round(time.Second); off.Abs() > skew {
		return Bad(Wrong, "set this machine's clock, such as with NTP: AWS refuses signatures that are five minutes off", "this machine is %s off", off)
	}
	return Fine("right to the minute")
}

// woken looks whether the stream wakes a function as the template wants.
func woken(ctx context.Context, c Cloud, t Table, w stream.Mapping) Finding {
	if t.StreamARN == "" {
		return Unset("the table has no stream")
	}
	all, err := c.Mappings(ctx, t.StreamARN)
	if err != nil {
		return Failed(err)
	}
	return mapping(w, all)
}

// mapping finds the one with the filters that the template has for a function.
func mapping(w stream.Mapping, all []Mapping) Finding {
	var named *Mapping
	for i := range all {
		m := &all[i]
		if !strings.Contains(strings.ToLower(m.Function), w.Function) {
			continue
		}
		if named = m; samePatterns(w, m.Patterns) {
			break
		}
	}
	switch {
	case named == nil:
		return Bad(Wrong, "deploy the template", "nothing wakes function %s", w.Function)
	case !samePatterns(w, named.Patterns):
		return Bad(Wrong, "deploy the template", "%s is woken by %q, want the filter of the template", named.Function, named.Patterns)
	case named.State != "Enabled":
		return Bad(Wrong, "enable it: aws lambda update-event-source-mapping --enabled --uuid …", "%s is not woken: %s", named.Function, named.State)
	case named.Failures > 0:
		return Bad(Warning, "mend the cause, then: sodalite replay --failed-records <FailedRecordsUrl>; docs/runbook.md, Failed records", "%d records were given up", named.Failures)
	case strings.Contains(named.LastResult, "PROBLEM"):
		return Bad(Wrong, "see its log", "%s: %s", named.Function, named.LastResult)
	}
	return Fine("%s is woken", named.Function)
}

func samePatterns(w stream.Mapping, patterns []string) bool {
	if len(patterns) != len(w.Filters) {
		return false
	}
	for i, f := range w.Filters {
		if f.String() != patterns[i] {
			return false
		}
	}
	return true
}

// handshake connects and checks the certificate.
func handshake(ctx context.Context, host, port string) error {
	c, err := (&tls.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return fmt.Errorf("TLS: %w", err)
	}
	return c.Close()
}
