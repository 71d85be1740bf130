package sns

import (
	"encoding/json"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/notify"
)

// The names of the message attributes.
const (
	AttributeSeverity       = "severity"
	AttributeDataset        = "dataset"
	AttributeDataSource     = "dataSource"
	AttributeOwner          = "owner"
	AttributeScanDefinition = "scanDefinition"
)

// SeverityCritical is the severity of failed checks, the only ones that make messages.
const SeverityCritical = "critical"

// SNS's limit is 256 KB for message and attributes together; some room is left for the envelope that subscribers get.
const (
	maxMessage = 240 << 10
	// maxAttribute bounds one attribute, and so all five to half a message.
	maxAttribute = 24 << 10
)

type attributes map[string]types.MessageAttributeValue

// size is the bytes of names, types and values, which SNS counts as part of the message.
func (a attributes) size() int {
	n := 0
	for name, v := range a {
		n += len(name) + len(aws.ToString(v.DataType)) + len(aws.ToString(v.StringValue))
	}
	return n
}

// attributesOf are what subscriptions can filter on. One value makes a String, several a String.Array; filter policies
// match both alike. SNS refuses empty values, so an attribute without a value is left out.
func attributesOf(m notify.Message) attributes {
	a := attributes{}
	a.put(AttributeSeverity, SeverityCritical)
	a.put(AttributeScanDefinition, m.Definition)
	a.put(AttributeDataset, each(m, func(c dq.AlertCheck) string { return c.Dataset.Name })...)
	a.put(AttributeDataSource, each(m, func(c dq.AlertCheck) string { return c.Dataset.DataSource })...)
	a.put(AttributeOwner, each(m, func(c dq.AlertCheck) string { return c.Owner })...)
	return a
}

func each(m notify.Message, of func(dq.AlertCheck) string) []string {
	values := make([]string, len(m.Checks))
	for i, c := range m.Checks {
		values[i] = of(c)
	}
	return values
}

func (a attributes) put(name string, values ...string) {
	values = distinct(values)
	switch len(values) {
	case 0:
	case 1:
		a[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(cut(values[0], maxAttribute))}
	default:
		a[name] = types.MessageAttributeValue{DataType: aws.String("String.Array"), StringValue: aws.String(array(values))}
	}
}

// distinct drops repeats and empty values, and characters that SNS does not take.
func distinct(values []string) []string {
	seen := map[string]bool{"": true}
	var kept []string
	for _, v := range values {
		if v = strings.TrimSpace(printable(v)); !seen[v] {
			seen[v] = true
			kept = append(kept, v)
		}
	}
	return kept
}

// printable drops what XML 1.0 can't hold, and with it SQS: control characters and non-characters.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "�"))
}

// array is a JSON array of as many values as fit.
func array(values []string) string {
	out := []byte{'['}
	for i, v := range values {
		raw, err := json.Marshal(v)
		if err != nil || len(out)+len(raw)+2 > maxAttribute {
			continue
		}
		if i > 0 && len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, raw...)
	}
	return string(append(out, ']'))
}

// cut shortens s to n bytes at a character's border.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
