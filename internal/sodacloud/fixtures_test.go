package sodacloud_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fixture is the recorded traffic of a real client with what a server must conclude from it.
type fixture struct {
	name     string
	folder   string
	Expect   expectation `json:"expect"`
	Stub     fixtureStub `json:"stub"`
	exchange []exchange
}

type expectation struct {
	Scans  []scanExpectation `json:"scans"`
	Alerts []bool            `json:"alerts"`
}

type scanExpectation struct {
	State    string            `json:"state"`
	Checks   map[string]string `json:"checks"`
	Datasets []string          `json:"datasets"`
}

// fixtureStub is how the server was set up when the traffic was recorded.
type fixtureStub struct {
	Samples bool `json:"samples"`
	// Contracts are the files of published contracts by dataset.
	Contracts  map[string]string `json:"contracts"`
	Attributes json.RawMessage   `json:"attributes"`
}

type exchange struct {
	Request struct {
		Method  string            `json:"method"`
		Path    string            `json:"path"`
		Headers map[string]string `json:"headers"`
		Body    json.RawMessage   `json:"body"`
		Text    *string           `json:"text"`
	} `json:"request"`
	Response struct {
		Status int             `json:"status"`
		Body   json.RawMessage `json:"body"`
	} `json:"response"`
}

// loadFixtures reads all recorded cases of a client generation.
func loadFixtures(t *testing.T, generation string) []fixture {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", generation, "*", "case.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded cases in testdata/%s: %v", generation, err)
	}
	var out []fixture
	for _, file := range files {
		f := fixture{name: filepath.Base(filepath.Dir(file)), folder: filepath.Dir(file)}
		decodeFile(t, file, &f)
		traffic := filepath.Join(filepath.Dir(file), "traffic.json")
		if _, err := os.Stat(traffic); err != nil {
			traffic += ".gz"
		}
		decodeFile(t, traffic, &f.exchange)
		out = append(out, f)
	}
	return out
}

// contracts reads the contracts that the server had, by dataset.
func (f fixture) contracts(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for dataset, file := range f.Stub.Contracts {
		data, err := os.ReadFile(filepath.Join(f.folder, file))
		if err != nil {
			t.Fatal(err)
		}
		texts[dataset] = string(data)
	}
	return texts
}

func decodeFile(t *testing.T, name string, v any) {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var from io.Reader = file
	if strings.HasSuffix(name, ".gz") {
		if from, err = gzip.NewReader(file); err != nil {
			t.Fatal(err)
		}
	}
	if err := json.NewDecoder(from).Decode(v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}
