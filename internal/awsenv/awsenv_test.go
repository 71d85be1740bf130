package awsenv_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/sodalite-dq/sodalite/internal/awsenv"
)

// environment is that of a function.
func environment(t *testing.T, more ...string) {
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT", "AWS_DEFAULT_REGION"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_REGION", "eu-west-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "ASIATEST")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_SESSION_TOKEN", "session")
	for i := 0; i+1 < len(more); i += 2 {
		t.Setenv(more[i], more[i+1])
	}
}

// asked gives the requests that a client makes to AWS's own addresses.
type asked struct{ last *http.Request }

func (a *asked) Do(r *http.Request) (*http.Response, error) {
	a.last = r
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

func TestAFunctionSignsWithItsRole(t *testing.T) {
	for want, set := range map[string][]string{
		"dynamodb.eu-west-1.amazonaws.com":      nil,
		"dynamodb-fips.us-east-1.amazonaws.com": {"AWS_USE_FIPS_ENDPOINT", "true", "AWS_REGION", "us-east-1"},
		"dynamodb.eu-west-1.api.aws":            {"AWS_USE_DUALSTACK_ENDPOINT", "true"},
		"dynamodb.eu-north-1.amazonaws.com":     {"AWS_REGION", "", "AWS_DEFAULT_REGION", "eu-north-1"},
	} {
		t.Run(want, func(t *testing.T) {
			environment(t, set...)
			c, err := awsenv.Function(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			sent := &asked{}
			c.HTTPClient = sent
			_, _ = dynamodb.NewFromConfig(c).DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("t")}) // there is no answer
			if sent.last == nil || sent.last.URL.Host != want || sent.last.Header.Get("X-Amz-Security-Token") != "session" || !strings.Contains(sent.last.Header.Get("Authorization"), "Credential=ASIATEST/") {
				t.Errorf("sent %+v, want one to %s", sent.last, want)
			}
		})
	}
}

func TestWhatStandsInForAWS(t *testing.T) {
	standIn := func() (url string, calls *int) {
		calls = new(int)
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { *calls++; w.WriteHeader(http.StatusBadRequest) }))
		t.Cleanup(s.Close)
		return s.URL, calls
	}
	all, toAll := standIn()
	own, toOwn := standIn()
	environment(t, "AWS_ENDPOINT_URL", all, "AWS_ENDPOINT_URL_SECRETS_MANAGER", own)
	c, err := awsenv.Function(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = dynamodb.NewFromConfig(c).DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("t")}) // refused
	_, _ = secretsmanager.NewFromConfig(c).GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("s")})
	if *toAll != 1 || *toOwn != 1 {
		t.Errorf("%d calls to the stand-in of all, %d to that of Secrets Manager, want one each", *toAll, *toOwn)
	}
}

func TestWhatIsNotSetIsSaid(t *testing.T) {
	for _, name := range []string{"AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		environment(t, name, "")
		if _, err := awsenv.Function(t.Context()); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
	environment(t)
	if _, err := awsenv.FunctionProfile(t.Context(), "analyst"); err == nil || !strings.Contains(err.Error(), `no profile "analyst"`) {
		t.Errorf("error %v", err)
	}
	if _, err := awsenv.FunctionProfile(t.Context(), ""); err != nil {
		t.Error(err)
	}
}
