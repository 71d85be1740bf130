package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/sodalite-dq/sodalite/internal/notify/notifytest"
	"github.com/sodalite-dq/sodalite/internal/source/postgres/postgrestest"
	"github.com/sodalite-dq/sodalite/test/component"
)

const orders = `
DROP TABLE IF EXISTS orders;
CREATE TABLE orders (id INTEGER, amount DOUBLE PRECISION, status VARCHAR);
INSERT INTO orders VALUES (1, 10.5, 'new'), (2, 99, 'paid'), (3, -4, 'lost');`

func configuration(port int) string {
	return fmt.Sprintf("data_source shop:\n  type: postgres\n  host: 127.0.0.1\n  port: %d\n  username: postgres\n  password: secret\n  database: postgres\n  schema: public\n", port)
}

// TestARealScanIsShownAndAlertedOnce is the main job: a real client scans a real PostgreSQL. A failing check makes exactly
// one Slack and one SNS message; a scan that cannot connect makes none, keeps the outcomes, and shows as a warning, until
// the next good scan.
func TestARealScanIsShownAndAlertedOnce(t *testing.T) {
	client := component.Path(t, "SODALITE_SODA_POSTGRES")
	database := postgrestest.Start(t)
	cloud := startMiniStack(t, func(endpoint string) string { return endpoint })
	topic, err := sns.NewFromConfig(cloud.config).CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("alerts")})
	if err != nil {
		t.Fatal(err)
	}
	alerts := cloud.listen(t, *topic.TopicArn)
	slack := notifytest.StartSlack(t)
	s := startSodalite(t, "SODALITE_SLACK_WEBHOOK_URL="+slack.WebhookURL(), "SODALITE_SNS_TOPIC_ARN="+*topic.TopicArn, "AWS_ENDPOINT_URL_SNS="+cloud.endpoint,
		"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_REGION=eu-west-1")
	database.Exec(t, orders)
	soda := newScanner(t, client, map[string]string{
		"configuration.yml": configuration(database.Port) + s.snippet(),
		"broken.yml":        configuration(1) + s.snippet(),
		"checks.yml":        "checks for orders:\n  - row_count > 0\n  - min(amount) >= 0:\n      name: No negative amounts\n  - missing_count(status):\n      warn: when > 5\n      fail: when > 10\n",
	})
	scan := func(configuration string) string {
		id := soda.scan("-d", "shop", "-s", "nightly_orders", "-c", configuration, "checks.yml")
		var state struct{ State string }
		s.get("/api/v1/scans/"+id, &state)
		t.Logf("exit code %d, scan %s is %s", soda.exitCode, id, state.State)
		return id
	}

	first := scan("configuration.yml")
	if soda.exitCode != 2 {
		t.Errorf("exit code %d of a scan with a failing check\n%s", soda.exitCode, soda.output)
	}
	message := slack.Wait(t, 1, 5*time.Second)[0]
	for _, want := range []string{"No negative amounts", "orders", "-4"} {
		if !strings.Contains(message.Text, want) {
			t.Errorf("the Slack text lacks %q: %s", want, message.Text)
		}
	}
	var published []string
	waitFor(t, "SNS message", 5*time.Second, func() bool {
		published = append(published, alerts.heard(t)...)
		return len(published) > 0
	})
	if len(published) != 1 || !strings.Contains(published[0], "No negative amounts") || strings.Contains(published[0], "row_count") || !json.Valid([]byte(published[0])) {
		t.Errorf("SNS heard %q", published)
	}
	outcomes := s.outcomes()
	if want := map[string]string{"row_count > 0": "pass", "No negative amounts": "fail", "missing_count(status) warn when > 5 fail when > 10": "pass"}; fmt.Sprint(outcomes) != fmt.Sprint(want) {
		t.Errorf("outcomes %v, want %v", outcomes, want)
	}
	if w := s.warning(); w != nil {
		t.Errorf("warning after a scan that ran well: %+v", w)
	}

	broken := scan("broken.yml")
	waitFor(t, "warning", 5*time.Second, func() bool { return s.warning() != nil })
	if w := s.warning(); w.ScanID != broken || w.State != "failed" || w.ScanDefinition != "nightly_orders" {
		t.Errorf("warning %+v, want one of scan %s", w, broken)
	}
	if now := s.outcomes(); fmt.Sprint(now) != fmt.Sprint(outcomes) {
		t.Errorf("outcomes after a failed scan %v, before %v", now, outcomes)
	}

	database.Exec(t, "UPDATE orders SET amount = 4 WHERE amount < 0")
	good := scan("configuration.yml")
	waitFor(t, "warning gone", 5*time.Second, func() bool { return s.warning() == nil })
	waitFor(t, "outcome pass", 5*time.Second, func() bool { return s.outcomes()["No negative amounts"] == "pass" })
	if soda.exitCode != 0 {
		t.Errorf("exit code %d of a good scan", soda.exitCode)
	}

	if n := len(slack.Messages()); n != 1 {
		t.Errorf("%d Slack messages in all, want 1", n)
	}
	if more := alerts.heard(t); len(more) != 0 {
		t.Errorf("SNS heard more: %q", more)
	}
	var list struct {
		Content []struct{ ID, State string }
	}
	s.get("/api/v1/scans", &list)
	if len(list.Content) != 3 || list.Content[0].ID != good || list.Content[1].ID != broken || list.Content[2].ID != first {
		t.Errorf("scans %+v, want %s, %s, %s", list.Content, good, broken, first)
	}
	if out := string(s.run("replay")); !strings.Contains(out, "3") {
		t.Errorf("replay said %q", out)
	}
	if n := len(slack.Messages()); n != 1 {
		t.Errorf("%d Slack messages after a replay, want 1", n)
	}
}

func (s *sodalite) outcomes() map[string]string {
	s.t.Helper()
	var page struct {
		Content []struct{ Name, EvaluationStatus string }
	}
	s.get("/api/v1/checks?size=1000", &page)
	out := map[string]string{}
	for _, c := range page.Content {
		out[c.Name] = c.EvaluationStatus
	}
	return out
}

type scanWarning struct{ ScanID, ScanDefinition, State, Since string }

// warning is the one that stands on the dataset orders, nil for none.
func (s *sodalite) warning() *scanWarning {
	s.t.Helper()
	var page struct {
		Content []struct {
			Name        string
			ScanWarning *scanWarning
		}
	}
	s.get("/api/v1/datasets", &page)
	for _, d := range page.Content {
		if d.Name == "orders" {
			return d.ScanWarning
		}
	}
	return nil
}

// TestHistoryAttributesAndSamples lets a real client ask for all that it can: change over time, attributes, uploads.
func TestHistoryAttributesAndSamples(t *testing.T) {
	client := component.Path(t, "SODALITE_SODA_DUCKDB")
	s := startSodalite(t, "SODALITE_SAMPLES=on")
	soda := newScanner(t, client, map[string]string{
		"configuration.yml": "data_source shop:\n  type: duckdb\n  path: shop.duckdb\n" + s.snippet(),
		"attributes.yml":    "attributes:\n  - name: team\n    type: singleSelect\n    allowedValues: [finance, sales]\n  - name: critical\n    type: checkbox\n",
		"checks.yml": `checks for orders:
  - change for row_count < 1:
      name: Growth is steady
  - missing_count(status) = 0:
      name: Every order has a status
      attributes:
        team: finance
        critical: true
`,
	})
	python := strings.TrimSuffix(client, "soda") + "python"
	prepare := func(sql string) {
		cmd := exec.Command(python, "-c", "import sys, duckdb; duckdb.connect('shop.duckdb').execute(sys.argv[1])", sql)
		cmd.Dir = soda.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("duckdb: %v\n%s", err, out)
		}
	}
	scan := func() string {
		return soda.scan("-d", "shop", "-s", "nightly", "-c", "configuration.yml", "checks.yml")
	}

	prepare("CREATE TABLE orders (id INTEGER, status VARCHAR); INSERT INTO orders VALUES (1, 'new'), (2, NULL)")
	scan()
	if soda.exitCode != 3 || !strings.Contains(soda.output, "team") {
		t.Errorf("without a schema the client should refuse the attribute: exit code %d\n%s", soda.exitCode, soda.output)
	}
	s.run("attributes", "apply", "-f", soda.dir+"/attributes.yml")
	id := scan()
	if soda.exitCode != 2 {
		t.Errorf("exit code %d\n%s", soda.exitCode, soda.output)
	}
	prepare("INSERT INTO orders VALUES (3, 'paid'), (4, 'paid')")
	waitFor(t, "first scan digested", 5*time.Second, func() bool { return len(s.outcomes()) > 0 })
	time.Sleep(1100 * time.Millisecond) // data times have whole seconds
	scan()
	waitFor(t, "change over time", 5*time.Second, func() bool { return s.outcomes()["Growth is steady"] == "fail" })

	var page struct {
		Content []struct {
			Name       string
			Attributes map[string]string
		}
	}
	s.get("/api/v1/checks", &page)
	found := false
	for _, c := range page.Content {
		found = found || c.Name == "Every order has a status" && c.Attributes["team"] == "finance"
	}
	if !found {
		t.Errorf("no attributes in %+v", page.Content)
	}
	if !strings.Contains(soda.output, "Every order has a status") || id == "" {
		t.Errorf("output:\n%s", soda.output)
	}

	// The client uploaded the row without a status; people reach it from the check.
	get := s.signIn().get
	var check string
	get("/checks?q=Every+order").Find("a[href^='/checks/']").Each(func(_ int, a *goquery.Selection) { check, _ = a.Attr("href") })
	sample, found := get(check).Find("a[href^='/samples/']").Attr("href")
	if !found {
		t.Fatalf("no link to a sample on %s", check)
	}
	var cells []string
	get(sample).Find("table td").Each(func(_ int, cell *goquery.Selection) { cells = append(cells, strings.TrimSpace(cell.Text())) })
	if fmt.Sprint(cells) != "[2 null]" {
		t.Errorf("the sample shows %q", cells)
	}
}

// person is somebody who followed a sign-in link.
type person struct {
	*sodalite
	client *http.Client
}

func (s *sodalite) signIn() person {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	p := person{s, &http.Client{Jar: jar}}
	_, token, _ := strings.Cut(strings.TrimSpace(string(s.run("users", "link", "admin"))), "token=")
	p.get("/sign-in/link?token=" + token)
	return p
}

// get is a page as the person sees it.
func (p person) get(path string) *goquery.Document {
	p.t.Helper()
	resp, err := p.client.Get(p.url + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := goquery.NewDocumentFromReader(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		p.t.Fatalf("GET %s: %s, %v", path, resp.Status, err)
	}
	return page
}
