package sodalite_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/sodalite-dq/sodalite"
)

type parameter struct {
	Default               string   `yaml:"Default"`
	Description           string   `yaml:"Description"`
	AllowedPattern        string   `yaml:"AllowedPattern"`
	ConstraintDescription string   `yaml:"ConstraintDescription"`
	AllowedValues         []string `yaml:"AllowedValues"`
	MinValue              string   `yaml:"MinValue"`
	MaxValue              string   `yaml:"MaxValue"`
}

// template gives the template's parameters, and its root.
func template(t *testing.T) (parameters map[string]parameter, root *yaml.Node) {
	t.Helper()
	var document yaml.Node
	if err := yaml.Unmarshal(sodalite.Template, &document); err != nil {
		t.Fatal(err)
	}
	root = document.Content[0]
	parameters = map[string]parameter{}
	list := at(root, "Parameters").Content
	for i := 0; i+1 < len(list); i += 2 {
		var p parameter
		if err := list[i+1].Decode(&p); err != nil {
			t.Fatalf("%s: %v", list[i].Value, err)
		}
		parameters[list[i].Value] = p
	}
	return parameters, root
}

// TestParametersAreValidated: each has a default that passes, is described, and says in a sentence what it wants.
func TestParametersAreValidated(t *testing.T) {
	parameters, root := template(t)
	shown := words(at(root, "Metadata", "AWS::CloudFormation::Interface", "ParameterGroups"))
	for name, p := range parameters {
		if p.Description == "" || !slices.Contains(shown, name) || at(root, "Metadata", "AWS::CloudFormation::Interface", "ParameterLabels", name) == nil {
			t.Errorf("%s lacks a description, a group or a label", name)
		}
		if p.ConstraintDescription == "" {
			t.Errorf("%s does not say what it wants", name)
		}
		switch {
		case len(p.AllowedValues) > 0:
			if !slices.Contains(p.AllowedValues, p.Default) {
				t.Errorf("%s: the default %q is not allowed", name, p.Default)
			}
		case p.AllowedPattern != "":
			if !regexp.MustCompile(p.AllowedPattern).MatchString(p.Default) {
				t.Errorf("%s: the default %q is not allowed", name, p.Default)
			}
		case p.MinValue == "" || p.MaxValue == "":
			t.Errorf("%s takes anything", name)
		}
	}
}

func TestParameterPatterns(t *testing.T) {
	const secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:sodalite/slack-AbCdEf"
	parameters, _ := template(t)
	for name, c := range map[string]struct{ good, bad []string }{
		"PublicUrl":                {[]string{"", "https://dq.example.com", "https://dq.example.com/quality"}, []string{"http://dq.example.com", "https://dq.example.com/", "dq.example.com"}},
		"AlertEmail":               {[]string{"", "data@example.com"}, []string{"data", "a b@example.com", "data@example"}},
		"OperatorEmail":            {[]string{"", "ops@example.com"}, []string{"ops"}},
		"SlackWebhookUrlSecretArn": {[]string{"", secret}, []string{"https://hooks.slack.com/services/x", "sodalite/slack", secret + "," + secret}},
		"WebhookUrl":               {[]string{"", "https://example.com/hook"}, []string{"http://example.com", "ftp://x"}},
		"WebhookSecretArn":         {[]string{"", secret}, []string{"whsec_x"}},
		"SecretsKmsKeyArn":         {[]string{"", "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"}, []string{"alias/x", "arn:aws:kms:eu-west-1:123456789012:alias/x"}},
		"Retention":                {[]string{"1h", "9516h"}, []string{"", "13mo", "0h", "10"}},
		"SourceSecretArns":         {[]string{"", secret, secret + "," + secret}, []string{"password", secret + ", " + secret, secret + ","}},
		"ScanSubnetIds":            {[]string{"", "subnet-0a1b2c3d", "subnet-0a1b2c3d,subnet-0a1b2c3e"}, []string{"vpc-1", "subnet-0a1b2c3d,", "subnet-0a1b2c3d subnet-0a1b2c3e"}},
		"ScanSecurityGroupIds":     {[]string{"", "sg-0a1b2c3d"}, []string{"default", "sg-"}},
	} {
		pattern := regexp.MustCompile(parameters[name].AllowedPattern)
		for _, v := range c.good {
			if !pattern.MatchString(v) {
				t.Errorf("%s refuses %q", name, v)
			}
		}
		for _, v := range c.bad {
			if pattern.MatchString(v) {
				t.Errorf("%s takes %q", name, v)
			}
		}
	}
	for name, p := range parameters {
		if p.AllowedPattern != "" && !strings.HasPrefix(p.AllowedPattern, "^") {
			t.Errorf("%s: the pattern %s is not anchored", name, p.AllowedPattern)
		}
	}
}

// TestRulesUseWhatRulesKnow: CloudFormation refuses a template whose rules use other functions
// (docs.aws.amazon.com/AWSCloudFormation, "Rule-specific intrinsic functions").
func TestRulesUseWhatRulesKnow(t *testing.T) {
	_, root := template(t)
	known := []string{"!And", "!Contains", "!EachMemberEquals", "!EachMemberIn", "!Equals", "!Not", "!Or", "!Ref", "!RefAll", "!ValueOf", "!ValueOfAll"}
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") && !slices.Contains(known, n.Tag) {
			t.Errorf("line %d: %s cannot be used in rules", n.Line, n.Tag)
		}
		for _, c := range n.Content {
			walk(c)
		}
	}
	walk(at(root, "Rules"))
}

// TestEachFunctionIsWatched: errors and throttles of each function go off, and the dashboard shows every alarm.
func TestEachFunctionIsWatched(t *testing.T) {
	runbook, err := os.ReadFile("docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	all := resources(t)
	dashboard := all["Dashboard"]
	body := at(&dashboard.Properties, "DashboardBody").Value
	throttles := all["FunctionThrottlesAlarm"]
	watched := words(at(&throttles.Properties, "Metrics"))
	for name, r := range all {
		switch r.Type {
		case "AWS::Serverless::Function":
			errors := all[strings.TrimSuffix(name, "Function")+"ErrorsAlarm"]
			if dimensions := at(&errors.Properties, "Dimensions"); !slices.Contains(words(dimensions), name) {
				t.Errorf("no alarm is about errors of %s", name)
			}
			if !slices.Contains(watched, name) {
				t.Errorf("no alarm is about throttles of %s", name)
			}
		case "AWS::CloudWatch::Alarm":
			if !strings.Contains(body, "${"+name+".Arn}") {
				t.Errorf("the dashboard does not show %s", name)
			}
			if actions := words(at(&r.Properties, "AlarmActions")); !slices.Equal(actions, []string{"OperatorTopic"}) {
				t.Errorf("%s goes to %v", name, actions)
			}
			if !strings.Contains(string(runbook), "`"+name+"`") {
				t.Errorf("docs/runbook.md does not say what %s means", name)
			}
		}
	}
}
