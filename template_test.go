package sodalite_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/sodalite-dq/sodalite"
	"github.com/sodalite-dq/sodalite/internal/config"
	"github.com/sodalite-dq/sodalite/internal/stream"
	"github.com/sodalite-dq/sodalite/internal/table"
)

type resource struct {
	Type           string    `yaml:"Type"`
	DeletionPolicy string    `yaml:"DeletionPolicy"`
	Properties     yaml.Node `yaml:"Properties"`
}

func resources(t *testing.T) map[string]resource {
	t.Helper()
	var template struct {
		Resources map[string]resource `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(sodalite.Template, &template); err != nil {
		t.Fatal(err)
	}
	return template.Resources
}

// at walks a node by keys; nil if there is nothing.
func at(n *yaml.Node, path ...string) *yaml.Node {
	for _, key := range path {
		var next *yaml.Node
		for i := 0; n != nil && n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				next = n.Content[i+1]
			}
		}
		n = next
	}
	return n
}

// words are the scalars of a node: itself, or its list.
func words(n *yaml.Node) []string {
	if n == nil {
		return nil
	}
	if n.Kind == yaml.ScalarNode {
		return []string{n.Value}
	}
	var out []string
	for _, c := range n.Content {
		out = append(out, words(c)...)
	}
	return out
}

func TestEachFunctionHasADirectoryALogAndARoleOfItsOwn(t *testing.T) {
	all := resources(t)
	roles, directories := map[string]string{}, map[string]bool{}
	for name, r := range all {
		if r.Type != "AWS::Serverless::Function" {
			continue
		}
		directory := at(&r.Properties, "CodeUri").Value
		directories[strings.Trim(strings.TrimPrefix(directory, "functions/"), "/")] = true
		if _, err := os.Stat(filepath.Join(directory, "main.go")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		role := at(&r.Properties, "Role").Value
		if other, ok := roles[role]; ok {
			t.Errorf("%s and %s share the role %s", name, other, role)
		}
		roles[role] = name
		logs := at(&r.Properties, "LoggingConfig", "LogGroup")
		group := all[logs.Value]
		if logs == nil || group.Type != "AWS::Logs::LogGroup" || at(&group.Properties, "RetentionInDays") == nil {
			t.Errorf("%s has no log group with a retention", name)
		}
	}
	entries, err := os.ReadDir("functions")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !directories[e.Name()] {
			t.Errorf("functions/%s is not in the template", e.Name())
		}
	}
}

// knowNoResources are actions that IAM allows on everything or not at all.
var knowNoResources = []string{
	"xray:PutTraceSegments", "xray:PutTelemetryRecords", "ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets",
	"ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
}

func TestRolesNameExactActionsAndResources(t *testing.T) {
	for name, r := range resources(t) {
		if r.Type != "AWS::IAM::Role" && r.Type != "AWS::IAM::Policy" {
			continue
		}
		var walk func(n *yaml.Node)
		walk = func(n *yaml.Node) {
			if actions := words(at(n, "Action")); actions != nil {
				wide := slices.Contains(words(at(n, "Resource")), "*")
				for _, action := range actions {
					if strings.Contains(action, "*") {
						t.Errorf("%s allows %s", name, action)
					}
					if wide && !slices.Contains(knowNoResources, action) {
						t.Errorf("%s allows %s on everything", name, action)
					}
					if strings.HasPrefix(action, "dynamodb:Put") && at(n, "Condition") == nil {
						t.Errorf("%s may put any item", name)
					}
				}
			}
			for _, c := range n.Content {
				walk(c)
			}
		}
		walk(&r.Properties)
	}
}

func TestFiltersWakeTheRightFunction(t *testing.T) {
	mappings, err := stream.ReadMappings(sodalite.Template)
	if err != nil {
		t.Fatal(err)
	}
	woken := func(event string, k table.Key) (names []string) {
		for _, m := range mappings {
			if m.Matches(stream.Record(table.Change{Seq: 1, EventName: event, Key: k})) {
				names = append(names, m.Function)
			}
		}
		return names
	}
	for _, c := range []struct {
		event, pk, sk string
		want          []string
	}{
		{"INSERT", "SCAN#a", "DOC", []string{"digest"}},
		{"INSERT", "SCAN#a", "ALERT", []string{"notify"}},
		{"MODIFY", "SCAN#a", "ALERT", nil},
		{"REMOVE", "SCAN#a", "DOC", nil},
		{"INSERT", "SCAN#a", "DOC#0001", nil},
		{"INSERT", "SCAN#a", "SENT#slack", nil},
		{"INSERT", "SAMPLE#a", "DOC", nil},
		{"INSERT", "DATASET#a", "STATE", nil},
		{"INSERT", "DEFINITION#a", "STATE", nil},
		{"INSERT", "KEY#a", "DOC", nil},
	} {
		if got := woken(c.event, table.Key{PK: c.pk, SK: c.sk}); !slices.Equal(got, c.want) {
			t.Errorf("%s of %s %s wakes %v, want %v", c.event, c.pk, c.sk, got, c.want)
		}
	}
	for _, m := range mappings {
		if !m.ReportBatchItemFailures || !m.Bisect || m.MaximumRetryAttempts <= 0 || m.MaximumRecordAge <= 0 {
			t.Errorf("%s: %+v lacks a limit", m.Function, m)
		}
	}
}

// TestWhatIsGivenUpIsKept: records and events that a function failed on for good end in one queue, which its role may send to.
func TestWhatIsGivenUpIsKept(t *testing.T) {
	all := resources(t)
	for function, place := range map[string][]string{
		"Digest": {"Events", "Scans", "Properties"}, "Notify": {"Events", "Alerts", "Properties"}, "Scan": {"EventInvokeConfig"},
	} {
		f, role := all[function+"Function"], all[function+"Role"]
		if got := at(&f.Properties, append(place, "DestinationConfig", "OnFailure", "Destination")...); got == nil || got.Value != "FailedRecords.Arn" {
			t.Errorf("%s loses what it gives up", function)
		}
		if allowed := words(at(&role.Properties, "Policies")); !slices.Contains(allowed, "sqs:SendMessage") {
			t.Errorf("%s may not send to the queue", function)
		}
	}
}

func TestSettingsInTheTemplateExist(t *testing.T) {
	for _, line := range strings.Split(string(sodalite.Template), "\n") {
		name, _, ok := strings.Cut(strings.TrimSpace(line), ":")
		if ok && strings.HasPrefix(name, "SODALITE_") && !slices.Contains(config.Names, name) {
			t.Errorf("%s is no setting", name)
		}
	}
}

func TestDataOutlivesTheStack(t *testing.T) {
	r := resources(t)["Table"]
	if r.DeletionPolicy != "Retain" || at(&r.Properties, "PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled").Value != "true" ||
		at(&r.Properties, "TimeToLiveSpecification", "AttributeName").Value != "expires" || at(&r.Properties, "StreamSpecification", "StreamViewType").Value != "KEYS_ONLY" {
		t.Errorf("table %+v", r)
	}
}

// TestFunctionsLinkNoDatabase holds the functions to what they need: small binaries start fast.
func TestFunctionsLinkNoDatabase(t *testing.T) {
	for _, name := range []string{"ingest", "digest", "notify", "scan", "dashboard"} {
		out, err := exec.Command("go", "list", "-deps", "./functions/"+name).Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, dep := range strings.Fields(string(out)) {
			embedded := strings.HasPrefix(dep, "modernc.org/") || strings.HasPrefix(dep, "github.com/parquet-go")
			driver := strings.HasPrefix(dep, "github.com/sodalite-dq/sodalite/internal/source") || strings.HasPrefix(dep, "github.com/jackc/pgx") || strings.HasPrefix(dep, "github.com/go-sql-driver")
			if embedded || driver && name != "scan" || dep == "runtime/cgo" && os.Getenv("CGO_ENABLED") == "0" {
				t.Errorf("functions/%s links %s", name, dep)
			}
		}
		if name != "scan" && name != "dashboard" && name != "ingest" && strings.Contains(string(out), "service/lambda\n") {
			t.Errorf("functions/%s links the client of Lambda", name)
		}
		if strings.Contains(string(out), "aws-sdk-go-v2/config\n") {
			t.Errorf("functions/%s looks for AWS profiles", name)
		}
		if (name == "digest" || name == "notify") && (strings.Contains(string(out), "internal/sodacl\n") || strings.Contains(string(out), "internal/engine\n") || strings.Contains(string(out), "nikolalohinski/gonja")) {
			t.Errorf("functions/%s links the check language, its templates or the engine", name)
		}
		if name != "notify" && strings.Contains(string(out), "internal/notify/slack") {
			t.Errorf("functions/%s links the senders", name)
		}
		if name != "dashboard" && strings.Contains(string(out), "internal/web\n") {
			t.Errorf("functions/%s links the pages", name)
		}
	}
}

func TestSAMAcceptsTheTemplate(t *testing.T) {
	sam := os.Getenv("SODALITE_SAM")
	if sam == "" {
		message := `SODALITE_SAM is not set: the template was not validated. Say eval "$(test/provide)".`
		if os.Getenv("SODALITE_REAL") == "required" {
			t.Fatal(message)
		}
		t.Skip("SKIPPED: " + message)
	}
	cmd := exec.Command(sam, "validate", "--lint")
	cmd.Env = append(os.Environ(), "SAM_CLI_TELEMETRY=0", "AWS_DEFAULT_REGION=eu-west-1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("sam validate --lint: %v\n%s", err, out)
	}
}
