package e2e

import (
	"crypto/rand"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	root "github.com/sodalite-dq/sodalite"
)

// TestStacksSideBySide deploys the template twice to one account and region, with the settings of samconfig.toml and those
// that the other tests leave off. Nothing of the one is the other's, and a key of the one opens nothing in the other.
func TestStacksSideBySide(t *testing.T) {
	m := startMiniStack(t, func(endpoint string) string { return endpoint })
	zips := functionZips(t, functions...)
	secret := m.secret(t, "any", "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODk=")
	// MiniStack knows no CodeDeploy, and keeps neither a function's VPC nor a topic's key.
	dev := m.deploy(t, "sodalite-dev", zips, "@dev", "Metrics=off", "ScheduledScans=off", "Attributes=schema")
	prod := m.deploy(t, "sodalite-prod", zips, "@prod", "SafeDeployments=false", "TopicKey=own", "ScanSubnetIds=subnet-0a1b2c3d,subnet-0a1b2c3e", "ScanSecurityGroupIds=sg-0a1b2c3d",
		"PublicUrl=https://dq.example.com", "AlertEmail=data@example.com", "OperatorEmail=ops@example.com", "MaxReadUnits=1000", "MaxWriteUnits=500",
		"WebhookUrl=https://example.com/hook", "WebhookSecretArn="+secret, "SlackWebhookUrlSecretArn="+secret, "SourceSecretArns="+secret+","+secret,
		"SecretsKmsKeyArn=arn:aws:kms:eu-west-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab")

	for name, id := range dev.Resources {
		if prod.Resources[name] == id && name != "HttpStage" { // each API has a stage of that name
			t.Errorf("both stacks have %s: %s", name, id)
		}
	}
	for _, only := range []string{"AlertEmailSubscription", "OperatorEmailSubscription", "TopicEncryptionKey", "ScanLeavesNetworkAlone", "Dashboard"} {
		if dev.Resources[only] != "" || prod.Resources[only] == "" {
			t.Errorf("%s: in dev %q, in prod %q; want it in prod only", only, dev.Resources[only], prod.Resources[only])
		}
	}
	if got := prod.Outputs["Url"]; got != "https://dq.example.com" {
		t.Errorf("the address of prod is %s", got)
	}

	front := dev.front(t)
	s := &sodalite{t: t, url: front.URL, env: []string{
		"AWS_ENDPOINT_URL=" + m.endpoint, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_REGION=eu-west-1",
		"SODALITE_TABLE=" + dev.Outputs["TableName"], "SODALITE_PUBLIC_URL=" + front.URL,
	}}
	s.newKey()
	prod.Outputs["Url"] = strings.Replace(dev.Outputs["Url"], dev.Resources["HttpApi"], prod.Resources["HttpApi"], 1) // the address is one of our own
	for stack, want := range map[*stack]int{dev: http.StatusOK, prod: http.StatusUnauthorized} {
		login := fmt.Sprintf(`{"type":"login","apiKeyId":%q,"apiKeySecret":%q}`, s.key, s.secret)
		resp, err := http.Post(stack.front(t).URL+"/api/command", "application/json", strings.NewReader(login))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: login %d, want %d", stack.Outputs["TableName"], resp.StatusCode, want)
		}
	}
}

// TestWrongParametersAreRefused by CloudFormation before anything is made, with a sentence: a wrong value of each
// parameter, and values that do not go together.
func TestWrongParametersAreRefused(t *testing.T) {
	var template struct {
		Parameters map[string]struct {
			ConstraintDescription string `yaml:"ConstraintDescription"`
			MaxValue              string `yaml:"MaxValue"`
		} `yaml:"Parameters"`
	}
	if err := yaml.Unmarshal(root.Template, &template); err != nil {
		t.Fatal(err)
	}
	m := startMiniStack(t, func(endpoint string) string { return endpoint })
	for name, p := range template.Parameters {
		wrong := "neither this nor that"
		if p.MaxValue != "" {
			wrong = p.MaxValue + "9"
		}
		// Of a list MiniStack tells the values, whatever the description.
		if said := m.tryParameters(t, name+"="+wrong); !strings.Contains(said, "Parameter '"+name+"'") || !strings.Contains(said, p.ConstraintDescription) && !strings.Contains(said, "AllowedValues") {
			t.Errorf("%s=%s: %q, want %q in it", name, wrong, said, p.ConstraintDescription)
		}
	}
	for _, c := range []struct{ parameter, want string }{
		{"WebhookUrl=https://example.com/hook", "set WebhookSecretArn too"},
		{"ScanSubnetIds=subnet-0a1b2c3d", "set ScanSecurityGroupIds too"},
		{"ScanSecurityGroupIds=sg-0a1b2c3d", "set ScanSubnetIds too"},
		{"LogLevel=debug", ""},
	} {
		if said := m.tryParameters(t, c.parameter); !strings.Contains(said, c.want) || (said == "") != (c.want == "") {
			t.Errorf("%s: %q, want %q in it", c.parameter, said, c.want)
		}
	}
}

// tryParameters makes a stack of the template's parameters and rules, and of nothing else, and gives what CloudFormation has
// against it, "" if nothing.
func (m *miniStack) tryParameters(t *testing.T, parameter string) string {
	t.Helper()
	_, rest, _ := strings.Cut(string(root.Template), "\nParameters:\n")
	parametersAndRules, _, _ := strings.Cut(rest, "\nConditions:\n")
	name, value, _ := strings.Cut(parameter, "=")
	resp, err := http.PostForm(m.endpoint, url.Values{
		"Action": {"CreateStack"}, "Version": {"2010-05-15"}, "StackName": {"try-" + strings.ToLower(rand.Text())},
		"TemplateBody":                       {"Parameters:\n" + parametersAndRules + "\nResources:\n  Nothing: { Type: AWS::CloudFormation::WaitConditionHandle }\n"},
		"Parameters.member.1.ParameterKey":   {name},
		"Parameters.member.1.ParameterValue": {value},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Message string `xml:"Error>Message"`
	}
	if err := xml.NewDecoder(resp.Body).Decode(&answer); err != nil || (resp.StatusCode == http.StatusOK) != (answer.Message == "") {
		t.Fatalf("%s: %s %+v, %v", parameter, resp.Status, answer, err)
	}
	return answer.Message
}
