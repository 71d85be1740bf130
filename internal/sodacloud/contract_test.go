package sodacloud_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/runs"
)

const ordersContract = "dataset: warehouse/postgres/sales/orders\ncolumns:\n  - name: id\n    checks:\n      - missing:\n"

var orders = dq.DatasetRef{DataSource: "warehouse", Prefix: []string{"postgres", "sales"}, Name: "orders"}

// ask sends a command or query with the token.
func (s *system) ask(t *testing.T, path, kind string, members map[string]any) (status int, answer map[string]json.RawMessage) {
	t.Helper()
	body := map[string]any{"type": kind, "token": "token-of-stub"}
	for name, v := range members {
		body[name] = v
	}
	status, _, answer = s.send(t, path, nil, mustJSON(t, body))
	return status, answer
}

func (s *system) upload(t *testing.T, contract string) string {
	t.Helper()
	status, answer := s.ask(t, "/api/command", "sodaCoreUploadContractFile", map[string]any{"contents": contract})
	if status != 200 || text(answer["fileId"]) == "" {
		t.Fatalf("upload: %d %s", status, answer)
	}
	return text(answer["fileId"])
}

func (s *system) publish(t *testing.T, file string) (status int, answer map[string]json.RawMessage) {
	t.Helper()
	return s.ask(t, "/api/command", "sodaCorePublishContract", map[string]any{
		"contract": map[string]any{"fileId": file, "metadata": map[string]any{"source": map[string]any{"type": "local", "filePath": "orders.yml"}}},
	})
}

func (s *system) mustPublish(t *testing.T, dataset, contract string) {
	t.Helper()
	if status, answer := s.publish(t, s.upload(t, contract)); status != 200 {
		t.Fatalf("publish the contract of %s: %d %s", dataset, status, answer)
	}
}

func TestPublishedContractsHaveVersions(t *testing.T) {
	s := mustStart(t, nil)
	where := map[string]any{"dataset": map[string]any{"datasource": "warehouse", "prefixes": []string{"postgres", "sales"}, "name": "orders"}}
	if status, answer := s.ask(t, "/api/query", "sodaCoreCanManageContracts", where); status != 200 || string(answer["allowed"]) != "true" {
		t.Errorf("may publish: %d %s", status, answer)
	}
	second := ordersContract + "  - name: amount\n"
	for _, contract := range []string{ordersContract, ordersContract, second} {
		s.now = s.now.Add(time.Hour)
		status, answer := s.publish(t, s.upload(t, contract))
		var published struct{ DatasetID, FileID string }
		_ = json.Unmarshal(answer["publishedContract"], &published)
		if status != 200 || published.DatasetID != orders.ID() || published.FileID == "" {
			t.Fatalf("publish: %d %s", status, answer)
		}
	}
	versions, err := s.hub.ContractVersions(t.Context(), orders.ID(), 0)
	if err != nil || len(versions) != 2 {
		t.Fatalf("%d versions, %v; want 2, the same text twice is one", len(versions), err)
	}
	newest := versions[0]
	if newest.Number != 2 || newest.By != "nightly scanner" || newest.Path != "orders.yml" || !newest.At.Equal(s.now) {
		t.Errorf("newest version %+v", newest)
	}
	if status, answer := s.ask(t, "/api/query", "sodaCoreGetContract", where); status != 200 || text(answer["contents"]) != second {
		t.Errorf("the contract: %d %s", status, answer)
	}
	s.now = s.now.Add(3 * hub.DefaultRetention.Results)
	if _, err := s.hub.ContractText(t.Context(), versions[1].File); err != nil {
		t.Errorf("a published text expired: %v", err)
	}
}

func TestWhatIsNotThereOfAContract(t *testing.T) {
	s := mustStart(t, nil)
	ask := func(source, want string) {
		t.Helper()
		where := map[string]any{"dataset": map[string]any{"datasource": source, "prefixes": []string{"postgres", "sales"}, "name": "orders"}}
		if status, answer := s.ask(t, "/api/query", "sodaCoreGetContract", where); status != 400 || text(answer["code"]) != want {
			t.Errorf("%.20s: %d %s, want %s", source, status, answer, want)
		}
	}
	ask("warehouse", "datasource_not_found")
	ask("", "datasource_not_found")
	ask(strings.Repeat("x", 5000), "datasource_not_found")
	if err := s.runs.SaveSource(t.Context(), runs.Source{Name: "lake", Type: "postgres", Settings: map[string]string{}}); err != nil {
		t.Fatal(err)
	}
	ask("lake", "dataset_not_found")
	s.mustPublish(t, "warehouse/public/other", "dataset: warehouse/public/other\ncolumns: []\n")
	if err := s.hub.DigestContract(t.Context(), dq.DatasetRef{DataSource: "warehouse", Prefix: []string{"public"}, Name: "other"}.ID()); err != nil {
		t.Fatal(err)
	}
	ask("warehouse", "dataset_not_found")
	s.insert4(t, verified("pass", "2026-11-24T00:00:00+00:00", nil))
	ask("warehouse", "contract_not_found")
}

func TestUploadedContractsAreStoredOnce(t *testing.T) {
	s := mustStart(t, nil)
	broken := "dataset: warehouse/orders\ncolumns: [unclosed\n"
	if a, b := s.upload(t, broken), s.upload(t, broken); a != b {
		t.Errorf("equal texts have the ids %s and %s", a, b)
	}
	id := s.upload(t, broken)
	for range 4 { // saved again and again, it does not expire
		s.now = s.now.Add(hub.DefaultRetention.Results * 2 / 3)
		s.upload(t, broken)
	}
	if got, err := s.hub.ContractText(t.Context(), id); err != nil || got != broken {
		t.Errorf("got %q, %v", got, err)
	}
	s.now = s.now.Add(2 * hub.DefaultRetention.Results)
	if _, err := s.hub.ContractText(t.Context(), id); err == nil {
		t.Error("a text that nobody published or sent for long is still there")
	}
}

func TestBadContractsAreRefusedWhenPublished(t *testing.T) {
	for name, c := range map[string]struct{ contract, want string }{
		"not YAML":         {"dataset: a/b\ncolumns: [unclosed\n", "orders.yml:2: the file is not valid YAML"},
		"empty":            {"", "empty"},
		"a list":           {"- a\n", "mapping"},
		"no dataset":       {"columns: []\n", "orders.yml:1:1: a contract needs a dataset"},
		"dataset is short": {"dataset: orders\ncolumns: []\n", "orders.yml:1:10: "},
		"dataset is a map": {"dataset: {a: b}\ncolumns: []\n", "orders.yml:1:10: dataset must be a text"},
		"columns is a map": {"dataset: a/b\ncolumns:\n  id: x\n", "orders.yml:3:3: columns must be a list"},
		"no columns":       {"dataset: a/b\nchecks:\n  - row_count:\n", "a contract needs columns"},
		"two mistakes":     {"dataset: a/b\ncolumns: []\nchecks:\n  - row_count: {threshold: {must_be: x}}\n  - freshness:\n", "orders.yml:4:38: must_be must be a number, it is \"x\"\norders.yml:5:5: a check of type freshness needs a threshold"},
		"many mistakes":    {"dataset: a/b\ncolumns:\n" + strings.Repeat("  - {}\n", 15), "\nand 5 more\n"},
		"a tab":            {"dataset: a/b\n\tcolumns: []\n", "orders.yml:2: the file is not valid YAML"},
	} {
		t.Run(name, func(t *testing.T) {
			s := mustStart(t, nil)
			file := s.upload(t, c.contract)
			status, answer := s.publish(t, file)
			if message := text(answer["message"]); status != 400 || !strings.Contains(message, c.want) || !strings.Contains(message, "/contracts/"+file) || !strings.Contains(message, "orders.yml") {
				t.Errorf("got %d %s, want 400 with %q, the path and a link", status, answer, c.want)
			}
		})
	}
}

func TestContractCommandsWithBadInput(t *testing.T) {
	for name, c := range map[string]struct {
		path, kind string
		members    map[string]any
		status     int
		want       string
	}{
		"no contents":       {"/api/command", "sodaCoreUploadContractFile", nil, 400, "contents: is missing"},
		"contents a number": {"/api/command", "sodaCoreUploadContractFile", map[string]any{"contents": 5}, 400, "contents: want a string"},
		"too large":         {"/api/command", "sodaCoreUploadContractFile", map[string]any{"contents": strings.Repeat("x", hub.MaxContract+1)}, 413, fmt.Sprint(hub.MaxContract)},
		"no contract":       {"/api/command", "sodaCorePublishContract", nil, 400, "contract: is missing"},
		"contract a string": {"/api/command", "sodaCorePublishContract", map[string]any{"contract": "x"}, 400, "contract: is a JSON string"},
		"unknown file":      {"/api/command", "sodaCorePublishContract", map[string]any{"contract": map[string]any{"fileId": "nope"}}, 400, "sodaCoreUploadContractFile"},
		"empty file id":     {"/api/command", "sodaCorePublishContract", map[string]any{"contract": map[string]any{}}, 400, "sodaCoreUploadContractFile"},
		"no dataset":        {"/api/query", "sodaCoreGetContract", nil, 400, "dataset: is missing"},
		"dataset a number":  {"/api/query", "sodaCoreGetContract", map[string]any{"dataset": 5}, 400, "dataset: is a JSON number"},
	} {
		t.Run(name, func(t *testing.T) {
			s := mustStart(t, nil)
			status, answer := s.ask(t, c.path, c.kind, c.members)
			if status != c.status || !strings.Contains(text(answer["message"]), c.want) || text(answer["code"]) == "" {
				t.Errorf("got %d %s, want %d with %q", status, answer, c.status, c.want)
			}
		})
	}
}
