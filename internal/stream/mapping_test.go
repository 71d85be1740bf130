package stream

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sodalite-dq/sodalite"
	"github.com/sodalite-dq/sodalite/internal/table"
)

func deployed(tb testing.TB) map[string]Mapping {
	tb.Helper()
	list, err := ReadMappings(sodalite.Template)
	if err != nil {
		tb.Fatal(err)
	}
	byFunction := map[string]Mapping{}
	for _, m := range list {
		byFunction[m.Function] = m
	}
	return byFunction
}

func TestDeployedMappings(t *testing.T) {
	got := deployed(t)
	want := map[string]Mapping{
		"digest": {
			Function: "digest", BatchSize: 10, ParallelizationFactor: 4, MaximumRetryAttempts: 20, MaximumRecordAge: 24 * time.Hour,
			Bisect: true, ReportBatchItemFailures: true, Timeout: 3 * time.Minute,
		},
		"notify": {
			Function: "notify", BatchSize: 10, ParallelizationFactor: 10, MaximumRetryAttempts: 20, MaximumRecordAge: 24 * time.Hour,
			Bisect: true, ReportBatchItemFailures: true, Timeout: 3 * time.Minute,
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Mapping{}, "Filters")); diff != "" {
		t.Errorf("mappings of template.yaml (-want +got):\n%s", diff)
	}
}

func TestDeployedFiltersChooseTheRightKeys(t *testing.T) {
	tests := map[string]struct {
		event, pk, sk  string
		digest, notify bool
	}{
		"new scan":                 {table.Insert, "SCAN#a", "DOC", true, false},
		"new alert":                {table.Insert, "SCAN#a", "ALERT", false, true},
		"further part of a scan":   {table.Insert, "SCAN#a", "DOC#0001", false, false},
		"scan run":                 {table.Insert, "SCAN#a", "RUN", false, false},
		"delivery":                 {table.Insert, "SCAN#a", "SENT#slack", false, false},
		"delivery named like one":  {table.Insert, "SCAN#a", "SENT#ALERT", false, false},
		"scan changed":             {table.Modify, "SCAN#a", "DOC", false, false},
		"scan expired":             {table.Remove, "SCAN#a", "DOC", false, false},
		"alert changed":            {table.Modify, "SCAN#a", "ALERT", false, false},
		"alert expired":            {table.Remove, "SCAN#a", "ALERT", false, false},
		"sample":                   {table.Insert, "SAMPLE#a", "DOC", false, false},
		"dataset":                  {table.Insert, "DATASET#a", "STATE", false, false},
		"definition":               {table.Insert, "DEFINITION#a", "STATE", false, false},
		"dataset called like this": {table.Insert, "DATASET#SCAN#a", "DOC", false, false},
		"other case":               {table.Insert, "scan#a", "doc", false, false},
		"id with signs":            {table.Insert, "SCAN#ä \"\\#", "DOC", true, false},
	}
	mappings := deployed(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for function, want := range map[string]bool{"digest": tt.digest, "notify": tt.notify} {
				m := mappings[function]
				r := Record(table.Change{Seq: 1, EventName: tt.event, Key: table.Key{PK: tt.pk, SK: tt.sk}})
				if got := m.Matches(r); got != want {
					t.Errorf("%s of (%s, %s) wakes %s: got %v, want %v", tt.event, tt.pk, tt.sk, function, got, want)
				}
			}
		})
	}
}

// template is a function with one event that has the given properties, each line indented by 12.
func template(properties string) string {
	return `
Parameters:
  Size: {Type: Number, Default: 7}
  Open: {Type: Number}
Globals: {Function: {Timeout: 30}}
Resources:
  Bucket: {Type: AWS::S3::Bucket}
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/digest/
      Events:
        Get: {Type: HttpApi}
        E:
          Type: DynamoDB
          Properties:
            Stream: !GetAtt Table.StreamArn
` + properties
}

const startAtOldest = "            StartingPosition: TRIM_HORIZON\n"

func TestReadMappings(t *testing.T) {
	tests := map[string]struct {
		properties string
		want       Mapping
	}{
		"defaults": {"", Mapping{
			Function: "digest", BatchSize: 100, ParallelizationFactor: 1, MaximumRetryAttempts: -1, MaximumRecordAge: -1, Timeout: 30 * time.Second,
		}},
		"parameters": {"            BatchSize: !Ref Size\n            MaximumRetryAttempts: {Ref: Size}\n", Mapping{
			Function: "digest", BatchSize: 7, ParallelizationFactor: 1, MaximumRetryAttempts: 7, MaximumRecordAge: -1, Timeout: 30 * time.Second,
		}},
		"window": {"            MaximumBatchingWindowInSeconds: 2\n", Mapping{
			Function: "digest", BatchSize: 100, MaximumBatchingWindow: 2 * time.Second, ParallelizationFactor: 1, MaximumRetryAttempts: -1,
			MaximumRecordAge: -1, Timeout: 30 * time.Second,
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ReadMappings([]byte(template(startAtOldest + tt.properties)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]Mapping{tt.want}, got); diff != "" {
				t.Errorf("mappings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadMappingsLeavesOut(t *testing.T) {
	tests := map[string]string{
		"no resources":   "Resources: {}",
		"event disabled": template(startAtOldest + "            Enabled: false\n"),
		"other events":   "Resources: {F: {Type: 'AWS::Serverless::Function', Properties: {Events: {A: {Type: SQS}}}}}",
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ReadMappings([]byte(text))
			if err != nil || len(got) != 0 {
				t.Errorf("got %v, %v, want none", got, err)
			}
		})
	}
}

func TestReadMappingsRefuses(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"not YAML":               {"a: [", "read template"},
		"a list":                 {"- a", "not a YAML mapping"},
		"empty":                  {"", "not a YAML mapping"},
		"starts at the end":      {template("            StartingPosition: LATEST\n"), `StartingPosition is "LATEST"`},
		"no starting position":   {template(""), "need TRIM_HORIZON"},
		"unknown property":       {template(startAtOldest + "            TumblingWindowInSeconds: 5\n"), "property TumblingWindowInSeconds is not supported"},
		"unknown response type":  {template(startAtOldest + "            FunctionResponseTypes: [Other]\n"), `unknown type "Other"`},
		"batch size zero":        {template(startAtOldest + "            BatchSize: 0\n"), `BatchSize is "0"`},
		"batch size too large":   {template(startAtOldest + "            BatchSize: 10001\n"), "from 1 to 10000"},
		"not a number":           {template(startAtOldest + "            BatchSize: many\n"), `BatchSize is "many"`},
		"not a flag":             {template(startAtOldest + "            BisectBatchOnFunctionError: maybe\n"), "need true or false"},
		"parameter without":      {template(startAtOldest + "            BatchSize: !Ref Open\n"), `parameter "Open" has no default`},
		"no such parameter":      {template(startAtOldest + "            BatchSize: !Ref Nothing\n"), `parameter "Nothing" has no default`},
		"other intrinsic":        {template(startAtOldest + "            BatchSize: !FindInMap [A, B, C]\n"), "needs a plain value"},
		"no filters":             {template(startAtOldest + "            FilterCriteria: {Filters: []}\n"), "has 0 filters"},
		"filter without pattern": {template(startAtOldest + "            FilterCriteria: {Filters: [{}]}\n"), "filter 1 has no pattern"},
		"unknown operator": {template(startAtOldest + "            FilterCriteria: {Filters: [{Pattern: '{\"a\":[{\"cidr\":\"::/0\"}]}'}]}\n"),
			"filter 1: pattern.a[0]: cidr: is not an operator"},
		"two events": {template(startAtOldest + "        E2: {Type: DynamoDB, Properties: {StartingPosition: TRIM_HORIZON}}\n"), "two stream events"},
		"no directory": {"Resources: {F: {Type: 'AWS::Serverless::Function', Properties: {Events: {A: {Type: DynamoDB, Properties: {StartingPosition: TRIM_HORIZON}}}}}}",
			"needs a CodeUri"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := ReadMappings([]byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want %q", err, tt.want)
			}
		})
	}
}

func FuzzReadMappings(f *testing.F) {
	f.Add(sodalite.Template)
	f.Add([]byte(template(startAtOldest)))
	f.Add([]byte("Resources: {F: &f {Type: AWS::Serverless::Function, Properties: *f}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := ReadMappings(data)
		for _, m := range list {
			if err == nil && (m.BatchSize < 1 || m.ParallelizationFactor < 1 || m.Timeout <= 0 || m.Function == "") {
				t.Errorf("a mapping that cannot run: %+v", m)
			}
		}
	})
}
