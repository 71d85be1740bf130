package stream

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// Mapping is one event source mapping: which records wake a function, and what happens when it fails.
type Mapping struct {
	// Function is the directory of the function under functions/, such as "digest". It names checkpoints and dead
	// letters, so it must not change lightly.
	Function string
	// Filters choose the records; one that fits is enough. Without filters every record is chosen.
	Filters []*Pattern
	// BatchSize is the largest number of records in one call.
	BatchSize int
	// MaximumBatchingWindow is how long a batch may wait to fill.
	MaximumBatchingWindow time.Duration
	// ParallelizationFactor is how many batches are under way at a time. Records of one partition key stay in order.
	ParallelizationFactor int
	// MaximumRetryAttempts is how often a batch is tried again, -1 for no limit.
	MaximumRetryAttempts int
	// MaximumRecordAge ends the retries of a record that is older; -1 for no limit.
	MaximumRecordAge time.Duration
	// Bisect halves a batch that failed, to find the record that is to blame.
	Bisect bool
	// ReportBatchItemFailures lets the answer name failed records.
	ReportBatchItemFailures bool
	// Timeout ends one call.
	Timeout time.Duration
}

// Matches tells whether the mapping is for the record.
func (m *Mapping) Matches(r events.DynamoDBEventRecord) bool {
	if len(m.Filters) == 0 {
		return true
	}
	data, err := json.Marshal(r)
	if err != nil {
		return false
	}
	var event map[string]any
	if err := json.Unmarshal(data, &event); err != nil {
		return false
	}
	return slices.ContainsFunc(m.Filters, func(p *Pattern) bool { return p.Matches(event) })
}

const (
	functionType = "AWS::Serverless::Function"
	eventType    = "DynamoDB"

	maxFilters = 5 // Lambda's limit without asking for more
)

// ReadMappings reads the mappings of DynamoDB streams to functions from a SAM template, ordered by function. It refuses
// settings that a [Runner] would not honour: what is in the template holds in both places, or in none.
func ReadMappings(template []byte) ([]Mapping, error) {
	t, err := readTemplate(template)
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	var mappings []Mapping
	for _, resource := range t.at("Resources").members() {
		if resource.at("Type").text() != functionType {
			continue
		}
		for _, event := range resource.at("Properties", "Events").members() {
			if event.at("Type").text() != eventType {
				continue
			}
			m, enabled, err := readMapping(t, resource, event.at("Properties"))
			if err != nil {
				return nil, fmt.Errorf("template: %s, event %s: %w", resource.name, event.name, err)
			}
			if enabled {
				mappings = append(mappings, m)
			}
		}
	}
	slices.SortFunc(mappings, func(a, b Mapping) int { return cmp.Compare(a.Function, b.Function) })
	for i := 1; i < len(mappings); i++ {
		if name := mappings[i].Function; name == mappings[i-1].Function {
			return nil, fmt.Errorf("template: function %s has two stream events, and checkpoints are kept by function", name)
		}
	}
	return mappings, nil
}

func readMapping(t *templateNode, function, properties *templateNode) (m Mapping, enabled bool, err error) {
	r := &propertyReader{template: t, properties: properties, known: map[string]bool{}}
	m = Mapping{
		Function:                path.Base(function.at("Properties", "CodeUri").text()),
		BatchSize:               r.number("BatchSize", 100, 1, 10_000),
		MaximumBatchingWindow:   r.seconds("MaximumBatchingWindowInSeconds", 0, 0, 300),
		ParallelizationFactor:   r.number("ParallelizationFactor", 1, 1, 10),
		MaximumRetryAttempts:    r.number("MaximumRetryAttempts", -1, -1, 10_000),
		MaximumRecordAge:        r.seconds("MaximumRecordAgeInSeconds", -1, -1, 604_800),
		Bisect:                  r.flag("BisectBatchOnFunctionError", false),
		ReportBatchItemFailures: r.reportsFailures(),
		Filters:                 r.filters(),
		Timeout:                 t.timeout(function),
	}
	enabled = r.flag("Enabled", true)
	r.want("StartingPosition", "TRIM_HORIZON") // a new consumer starts with the oldest change here
	r.ignore("Stream", "DestinationConfig")
	if m.Function == "." || m.Function == "/" {
		r.fail("the function needs a CodeUri that names its directory")
	}
	return m, enabled, r.done()
}
