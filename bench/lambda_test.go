package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/sodalite-dq/sodalite/internal/auth"
	"github.com/sodalite-dq/sodalite/internal/awsenv/machine"
	"github.com/sodalite-dq/sodalite/internal/config"
	"github.com/sodalite-dq/sodalite/internal/gateway"
	"github.com/sodalite-dq/sodalite/internal/table/dynamo"
	"github.com/sodalite-dq/sodalite/internal/table/dynamo/dynamotest"
	"github.com/sodalite-dq/sodalite/internal/wiring"
	"github.com/sodalite-dq/sodalite/internal/wiring/scanners"
	"github.com/sodalite-dq/sodalite/test/lambdahost"
)

// request is the event of an HTTP request.
func request(method, path string, body []byte) events.APIGatewayV2HTTPRequest {
	e := events.APIGatewayV2HTTPRequest{Version: "2.0", RouteKey: "$default", RawPath: path, Body: string(body),
		Headers: map[string]string{"host": "dq.example.com", "content-type": "application/json"}}
	e.RequestContext.HTTP.Method, e.RequestContext.HTTP.Path, e.RequestContext.DomainName = method, path, "dq.example.com"
	return e
}

func mustJSON(b *testing.B, v any) []byte {
	b.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		b.Fatal(err)
	}
	return data
}

// insertBody is what a client pushes after a scan of n checks over one dataset.
func insertBody(b *testing.B, token string, scan, n int) []byte {
	var checks, metrics []any
	for i := range n {
		metric := fmt.Sprintf("metric-nightly-warehouse-orders-column_%d-missing_count", i)
		checks = append(checks, map[string]any{
			"identity": fmt.Sprintf("%08x", i), "name": fmt.Sprintf("missing_count(column_%d) = 0", i), "type": "generic", "dataSource": "warehouse", "table": "orders",
			"column": fmt.Sprintf("column_%d", i), "definition": fmt.Sprintf("checks for orders:\n  missing_count(column_%d) = 0", i), "metrics": []string{metric},
			"outcome": "pass", "diagnostics": map[string]any{"value": scan % 7, "fail": map[string]any{"greaterThan": 0, "lessThan": 0}},
		})
		metrics = append(metrics, map[string]any{"identity": metric, "metricName": "missing_count", "value": scan % 7, "dataSourceName": "warehouse"})
	}
	return mustJSON(b, map[string]any{"type": "sodaCoreInsertScanResults", "token": token, "definitionName": fmt.Sprint("nightly ", scan%20), "defaultDataSource": "warehouse",
		"dataTimestamp": time.Now().UTC().Format(time.RFC3339Nano), "checks": checks, "metrics": metrics})
}

// BenchmarkIngestFunction pushes scans of 50 checks through the handler of function ingest over a local table, side by side.
func BenchmarkIngestFunction(b *testing.B) {
	store, _ := open(b, b.TempDir())
	settings, err := config.Load(func(string) (string, bool) { return "", false })
	if err != nil {
		b.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	s := wiring.NewSystem(settings, store, machine.Load, log, "bench")
	mux := http.NewServeMux()
	scanners.Mount(mux, s, gateway.MaxRequestBody, scanners.Runs(s, nil))
	handler := gateway.Handler(mux, log)
	key, secret, err := s.Auth.CreateKey(b.Context(), "bench")
	if err != nil {
		b.Fatal(err)
	}
	token, err := s.Auth.Login(b.Context(), key.ID, secret, "")
	if err != nil {
		b.Fatal(err)
	}
	var n atomic.Int64
	b.SetParallelism(4) // as many invocations at once for each core
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			resp, err := handler(b.Context(), request("POST", "/api/command", insertBody(b, token, int(n.Add(1)), 50)))
			if err != nil || resp.StatusCode != http.StatusOK {
				b.Errorf("%d %s %v", resp.StatusCode, resp.Body, err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "scans/s")
}

// bootstrap compiles a function as AWS gets it, for this machine.
func bootstrap(b *testing.B, pkg string) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "bootstrap")
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-ldflags=-s", "-trimpath", "-o", path, pkg)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return path
}

// functionEnv is the environment of a function over DynamoDB Local, and a key for it.
func functionEnv(b *testing.B) (env []string, key auth.Key, secret string) {
	b.Helper()
	endpoint := dynamotest.Start(b)
	client := dynamotest.Client(endpoint)
	name := dynamotest.Table(b, client)
	env = []string{"SODALITE_TABLE=" + name, "SODALITE_PUBLIC_URL=https://dq.example.com", "AWS_ENDPOINT_URL_DYNAMODB=" + endpoint, "AWS_LAMBDA_FUNCTION_NAME=bench",
		"AWS_ACCESS_KEY_ID=AKIDTEST", "AWS_SECRET_ACCESS_KEY=x", "AWS_REGION=eu-west-1"}
	key, secret, err := auth.New(auth.Config{Table: dynamo.New(client, name, time.Now)}).CreateKey(b.Context(), "bench")
	if err != nil {
		b.Fatal(err)
	}
	return env, key, secret
}

// BenchmarkColdStart starts each function beside the least one there is: from exec to its first request for work
// (ready-ms), and from there to the answer of its first request (first-ms). Beside the median stands the least, which a busy
// machine changes less.
func BenchmarkColdStart(b *testing.B) {
	env, key, secret := functionEnv(b)
	login := mustJSON(b, map[string]any{"type": "login", "apiKeyId": key.ID, "apiKeySecret": secret})
	record := func(sk string) []byte {
		return []byte(`{"Records":[{"eventName":"INSERT","dynamodb":{"SequenceNumber":"1","Keys":{"pk":{"S":"SCAN#absent"},"sk":{"S":"` + sk + `"}}}}]}`)
	}
	for _, f := range []struct {
		name, pkg string
		event     []byte
	}{
		{"hello", "./hello", mustJSON(b, request("GET", "/", nil))},
		{"ingest", "../functions/ingest", mustJSON(b, request("POST", "/api/command", login))},
		{"digest", "../functions/digest", record("DOC")},
		{"notify", "../functions/notify", record("ALERT")},
		{"dashboard", "../functions/dashboard", mustJSON(b, request("GET", "/sign-in", nil))},
		{"scan", "../functions/scan", []byte(`{"tick": true}`)},
	} {
		b.Run(f.name, func(b *testing.B) {
			path := bootstrap(b, f.pkg)
			var ready, first []time.Duration
			for b.Loop() {
				h, err := lambdahost.Start(b.Context(), path, env, 20*time.Second, io.Discard)
				if err != nil {
					b.Fatal(err)
				}
				begin := time.Now()
				if _, err := h.Invoke(b.Context(), f.event); err != nil {
					b.Fatal(err)
				}
				ready, first = append(ready, h.Ready), append(first, time.Since(begin))
				h.Close()
			}
			medianAndLeast(b, ready, "ready")
			medianAndLeast(b, first, "first")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func medianAndLeast(b *testing.B, took []time.Duration, what string) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, what+"-ms")
	b.ReportMetric(float64(took[0].Microseconds())/1000, "least-"+what+"-ms")
}

// BenchmarkLargestBody pushes the largest body that ingest accepts and reports the most memory its process ever had.
func BenchmarkLargestBody(b *testing.B) {
	env, key, secret := functionEnv(b)
	h, err := lambdahost.Start(b.Context(), bootstrap(b, "../functions/ingest"), append(env, "GOMEMLIMIT=36MiB"), 30*time.Second, os.Stderr)
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	call := func(body []byte) map[string]any {
		out, err := h.Invoke(b.Context(), mustJSON(b, request("POST", "/api/command", body)))
		if err != nil {
			b.Fatal(err)
		}
		var resp events.APIGatewayV2HTTPResponse
		var answer map[string]any
		if err := json.Unmarshal(out, &resp); err != nil || resp.StatusCode != http.StatusOK || json.Unmarshal([]byte(resp.Body), &answer) != nil {
			b.Fatalf("%s %v", out, err)
		}
		return answer
	}
	token, _ := call(mustJSON(b, map[string]any{"type": "login", "apiKeyId": key.ID, "apiKeySecret": secret}))["token"].(string)
	idle := peak(b, h.PID())
	checks := 1000
	for len(insertBody(b, token, 0, checks+500)) < gateway.MaxRequestBody {
		checks += 500
	}
	var size int
	for n := 0; b.Loop(); n++ {
		body := insertBody(b, token, n, checks)
		size = len(body)
		call(body)
	}
	b.SetBytes(int64(size))
	b.ReportMetric(float64(checks), "checks")
	b.ReportMetric(idle, "idle-MB")
	b.ReportMetric(peak(b, h.PID()), "peak-MB")
}

// peak is the most resident memory that a process ever had, in MB.
func peak(b *testing.B, pid int) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Skip("needs Linux: ", err)
	}
	_, rest, _ := bytes.Cut(status, []byte("VmHWM:"))
	kB, err := strconv.Atoi(strings.Fields(string(rest))[0])
	if err != nil {
		b.Fatal(err)
	}
	return float64(kB) / 1024
}
