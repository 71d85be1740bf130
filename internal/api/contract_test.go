package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/runs"
)

func TestChecksOfContracts(t *testing.T) {
	s := mustStart(t)
	s.push("old", "nightly", 1, false, check("orders", "no negatives", dq.Pass, "1"))
	contract := check("orders", "from a contract", dq.Fail, "20")
	contract.Dataset.Prefix, contract.Origin, contract.Measure, contract.Kind = []string{"postgres", "public"}, dq.OriginContract, "percent", "missing"
	contract.Diagnostics = []byte(`{"v4":{"type":"missing","failedRowsCount":1,"failedRowsPercent":20.0}}`)
	s.push("new", "shop/postgres/public/orders", 2, false, contract)
	_, _, _, checks := s.do(http.MethodGet, "/api/v1/checks", nil)
	for _, want := range []string{`"origin":"sodacl"`, `"origin":"soda-contract"`, `"diagnostics":{"missing":{"failedRowsCount":1,"failedRowsPercent":20.0}}`, `"qualifiedName":"shop/postgres/public/orders"`} {
		if !strings.Contains(checks, want) {
			t.Errorf("checks lack %s:\n%s", want, checks)
		}
	}
	if strings.Contains(checks, `"measure":"percent"`) {
		t.Error("Soda's API has no measure percent")
	}
	_, _, _, datasets := s.do(http.MethodGet, "/api/v1/datasets", nil)
	for _, want := range []string{`"prefix":"postgres/public"`, `"sameAs":{"id":"` + contract.Dataset.ID() + `","qualifiedName":"shop/postgres/public/orders"}`, `"qualifiedName":"shop/orders"}`} {
		if !strings.Contains(datasets, want) {
			t.Errorf("datasets lack %s:\n%s", want, datasets)
		}
	}
}

func TestAScanThatRunsElsewhere(t *testing.T) {
	s := mustStart(t)
	remote := runs.Remote{ID: "11111111-2222-3333-4444-555555555555", Definition: "nightly"}
	line := runs.Line{LogLine: dq.LogLine{Level: dq.LevelInfo, Message: "streamed"}, Thread: "t"}
	if err := s.runs.Stream(t.Context(), remote, []runs.Line{line}); err != nil {
		t.Fatal(err)
	}
	path := "/api/v1/scans/" + remote.ID
	if status, _, scan, _ := s.do(http.MethodGet, path, nil); status != 200 || scan["state"] != "executing" {
		t.Errorf("%d %v", status, scan)
	}
	if status, _, _, logs := s.do(http.MethodGet, path+"/logs", nil); status != 200 || !strings.Contains(logs, "streamed") {
		t.Errorf("%d %s", status, logs)
	}
	if status, _, answer, _ := s.do(http.MethodDelete, path, nil); status != 400 || answer["code"] != "invalid_state" {
		t.Errorf("cancel: %d %v", status, answer)
	}
}
