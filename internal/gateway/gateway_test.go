package gateway

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"sort"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
)

// seen is what a handler sees of a request, as far as both ways should show the same.
type seen struct {
	Method, Path, Query, Body, Host string
	Headers                         map[string][]string
	Cookies                         []string
	Form                            url.Values
	Length                          int64
}

// behave echoes the request, or does what the query parameter "do" says.
func behave(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Query().Get("do") {
	case "nothing":
		return
	case "panic":
		panic("as asked")
	case "status":
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusTeapot)
		w.WriteHeader(http.StatusOK)
		w.Header().Set("X-Late", "must not be sent")
		fmt.Fprint(w, "short and stout")
	case "304":
		w.Header().Set("ETag", `"x"`)
		w.WriteHeader(http.StatusNotModified)
		_, _ = io.WriteString(w, "must not be sent")
	case "204":
		w.WriteHeader(http.StatusNoContent)
	case "cookies":
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "1", Path: "/"})
		http.SetCookie(w, &http.Cookie{Name: "b", Value: "2, 3", HttpOnly: true})
	case "headers":
		w.Header().Add("Vary", "Accept")
		w.Header().Add("Vary", "Cookie")
		w.Header().Set("Link", `<a,b>; rel="x"`)
		fmt.Fprint(w, "{}")
	case "gzip":
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Type", "text/plain")
		zip := gzip.NewWriter(w)
		fmt.Fprint(zip, strings.Repeat("hello ", 100))
		zip.Close()
	case "binary":
		_, _ = w.Write([]byte{0x89, 'P', 'N', 'G', 0x0d, 0x0a, 0x1a, 0x0a, 0xff, 0x00})
	case "html":
		fmt.Fprint(w, "<!doctype html><title>ü</title>")
	case "redirect":
		http.Redirect(w, r, "/elsewhere?x=1,2", http.StatusSeeOther)
	case "many":
		for i := range 50 {
			fmt.Fprintf(w, "line %d\n", i)
		}
	default:
		echo(w, r)
	}
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s := seen{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Body: base64.StdEncoding.EncodeToString(body), Host: r.Host,
		Headers: map[string][]string{}, Length: int64(len(body)), Form: r.URL.Query()}
	for name, values := range r.Header {
		if strings.HasPrefix(name, "X-") || name == "Content-Type" || name == "Authorization" || name == "Accept" || name == "If-None-Match" {
			s.Headers[name] = values
		}
	}
	for _, c := range r.Cookies() {
		s.Cookies = append(s.Cookies, c.Name+"="+c.Value)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s)
}

// eventOf builds the event that an HTTP API makes of a request: a decoded path, headers in lower case, cookies apart, a
// body that is not text in base64.
func eventOf(r *http.Request, body []byte) events.APIGatewayV2HTTPRequest {
	e := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: "$default", RawPath: r.URL.Path, RawQueryString: r.URL.RawQuery, Headers: map[string]string{"host": r.Host},
	}
	e.RequestContext.HTTP.Method = r.Method
	e.RequestContext.HTTP.Path = r.URL.Path
	e.RequestContext.HTTP.SourceIP = "192.0.2.1"
	e.RequestContext.DomainName = "abc.execute-api.eu-west-1.amazonaws.com"
	e.RequestContext.Stage = "$default"
	e.RequestContext.RequestID = "request-1"
	for name, values := range r.Header {
		if name == "Cookie" {
			e.Cookies = append(e.Cookies, strings.Split(strings.Join(values, "; "), "; ")...)
			continue
		}
		e.Headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	if utf8.Valid(body) {
		e.Body = string(body)
	} else {
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	return e
}

// shown is an answer as far as both ways should give the same.
type shown struct {
	Status  int
	Headers map[string]string
	Cookies []string
	Body    string
}

// ownHeaders are added by each way itself.
var ownHeaders = map[string]bool{"Date": true, "Content-Length": true, "Connection": true, "Transfer-Encoding": true, "X-Soda-Trace-Id": true}

func throughNet(t *testing.T, server *httptest.Server, r *http.Request, body []byte) shown {
	t.Helper()
	out := r.Clone(t.Context())
	out.URL.Scheme, out.URL.Host, out.RequestURI = "http", server.Listener.Addr().String(), ""
	out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(out)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	s := shown{Status: resp.StatusCode, Headers: map[string]string{}, Body: string(data)}
	for name, values := range resp.Header {
		if name == "Set-Cookie" {
			s.Cookies = values
		} else if !ownHeaders[name] {
			s.Headers[name] = strings.Join(values, ",")
		}
	}
	return s
}

func throughGateway(t *testing.T, h http.Handler, e events.APIGatewayV2HTTPRequest) shown {
	t.Helper()
	resp, err := Handler(h, slog.New(slog.NewTextHandler(t.Output(), nil)))(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	s := shown{Status: resp.StatusCode, Headers: map[string]string{}, Body: resp.Body}
	if len(resp.Cookies) > 0 {
		s.Cookies = resp.Cookies
	}
	if resp.IsBase64Encoded {
		data, err := base64.StdEncoding.DecodeString(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		s.Body = string(data)
	}
	for name, value := range resp.Headers {
		if !ownHeaders[name] {
			s.Headers[name] = value
		}
	}
	return s
}

type request struct {
	method, target string
	headers        http.Header
	body           []byte
}

func requests() map[string]request {
	all := map[string]request{}
	for _, path := range []string{
		"/", "/checks", "/checks/", "/a%20b", "/100%25", "/what%3F", "/hash%23", "/plus+plus", "/semi;colon", "/%C3%BC", "/quote%22", "/a:b@c",
		"/x//y", "/dot/./dot", "/.hidden", "/tilde~", "/%E2%9C%93", "/amp&amp", "/equals=1", "/comma,comma", "/pipe%7C", "/brace%7B%7D", "/star*",
		"/long/" + strings.Repeat("x", 2000),
	} {
		all["path "+path[:min(len(path), 40)]] = request{method: "GET", target: path}
	}
	for _, query := range []string{
		"a=1", "a=1&a=2", "a=1,2", "a=%26", "a=%3D%3F%23", "a=b+c", "a=%20", "a", "a=", "=a", "a=%C3%BC", "q=%3Cscript%3E", "a=1&b=2&a=3", "attr=team%3Apayments",
		"a=%2525", "x=" + strings.Repeat("y", 3000), "a[]=1&a[]=2", "from=2026-01-05T08:00:00%2B01:00",
	} {
		all["query "+query[:min(len(query), 40)]] = request{method: "GET", target: "/checks?" + query}
	}
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
		all["method "+method] = request{method: method, target: "/m"}
		all["method with body "+method] = request{method: method, target: "/m", body: []byte("text")}
	}
	for name, value := range map[string]string{
		"comma": "a, b", "commas": "a,b,,c", "date": "Mon, 02 Jan 2026 15:04:05 GMT", "quoted": `"a, b"; c="d, e"`, "leading": "x  y", "utf8": "caf\u00e9",
		"empty": "", "long": strings.Repeat("v", 4000), "equals": "a=b;c=d", "brackets": "[1, 2]",
	} {
		all["header "+name] = request{method: "GET", target: "/h", headers: http.Header{"X-Custom": {value}}}
		all["if-none-match "+name] = request{method: "GET", target: "/h", headers: http.Header{"If-None-Match": {value}}}
	}
	for name, cookies := range map[string][]string{
		"one": {"a=1"}, "two": {"a=1", "b=2"}, "same name": {"a=1", "a=2"}, "equals": {"a=b=c"}, "host": {"__Host-session=abc-def_123"}, "many": strings.Split(strings.Repeat("k=v ", 20)[:79], " "),
	} {
		all["cookies "+name] = request{method: "GET", target: "/c", headers: http.Header{"Cookie": {strings.Join(cookies, "; ")}}}
	}
	for name, body := range map[string][]byte{
		"empty": nil, "text": []byte("hello"), "json": []byte(`{"a": "\u00fc", "b": "ü"}`), "nul": {0}, "binary": {0xff, 0xfe, 0x00, 0x80}, "large": bytes.Repeat([]byte("0123456789"), 100_000),
		"latin1": {'c', 'a', 'f', 0xe9}, "crlf": []byte("a\r\nb"), "quote": []byte(`"\"`), "form": []byte("a=1&b=%20"),
	} {
		all["body "+name] = request{method: "POST", target: "/b", body: body, headers: http.Header{"Content-Type": {"application/octet-stream"}}}
		all["upload "+name] = request{method: "POST", target: "/api/scan/upload", body: body, headers: http.Header{"Authorization": {"tok,en"}, "X-Is-V3": {"true"}}}
	}
	for _, do := range []string{"nothing", "status", "304", "204", "cookies", "headers", "gzip", "binary", "html", "redirect", "many"} {
		for _, method := range []string{"GET", "HEAD", "POST"} {
			all["do "+do+" "+method] = request{method: method, target: "/do?do=" + do}
		}
	}
	return all
}

func TestBothWaysShowTheSame(t *testing.T) {
	h := http.HandlerFunc(behave)
	server := httptest.NewServer(h)
	defer server.Close()
	all := requests()
	if len(all) < 100 {
		t.Fatalf("only %d requests", len(all))
	}
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			c := all[name]
			r := httptest.NewRequest(c.method, c.target, nil)
			r.Host = "dq.example.com"
			for header, values := range c.headers {
				r.Header[header] = values
			}
			want := throughNet(t, server, r, c.body)
			got := throughGateway(t, h, eventOf(r, c.body))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s %s (-net/http +gateway)\n%s", c.method, c.target, diff)
			}
		})
	}
}

func TestAPanicIsAnAnswer(t *testing.T) {
	r := httptest.NewRequest("GET", "/?do=panic", nil)
	got := throughGateway(t, http.HandlerFunc(behave), eventOf(r, nil))
	if got.Status != 500 || !strings.Contains(got.Body, "request-1") || strings.Contains(got.Body, "as asked") {
		t.Errorf("got %+v", got)
	}
}

func TestAnswersNearLambdasLimit(t *testing.T) {
	for name, c := range map[string]struct {
		body   string
		status int
	}{
		"fits":               {strings.Repeat("a", 6<<20-20<<10), 200},
		"too large":          {strings.Repeat("a", 6<<20), 500},
		"too large escaped":  {strings.Repeat("\x01", 2<<20), 500},
		"too large as bytes": {strings.Repeat("\xff", 5<<20), 500},
	} {
		t.Run(name, func(t *testing.T) {
			h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, c.body) })
			if got := throughGateway(t, h, eventOf(httptest.NewRequest("GET", "/", nil), nil)); got.Status != c.status {
				t.Errorf("status %d, want %d: %.80s", got.Status, c.status, got.Body)
			}
		})
	}
}

func TestStageAndOddEvents(t *testing.T) {
	h := http.HandlerFunc(behave)
	for name, c := range map[string]struct {
		edit   func(*events.APIGatewayV2HTTPRequest)
		status int
		path   string
	}{
		"stage is cut off":             {func(e *events.APIGatewayV2HTTPRequest) { e.RequestContext.Stage, e.RawPath = "prod", "/prod/checks" }, 200, "/checks"},
		"stage only":                   {func(e *events.APIGatewayV2HTTPRequest) { e.RequestContext.Stage, e.RawPath = "prod", "/prod" }, 200, "/"},
		"a path like the stage stays":  {func(e *events.APIGatewayV2HTTPRequest) { e.RequestContext.Stage, e.RawPath = "prod", "/production" }, 200, "/production"},
		"no path":                      {func(e *events.APIGatewayV2HTTPRequest) { e.RawPath, e.RequestContext.HTTP.Path = "", "" }, 200, "/"},
		"no domain":                    {func(e *events.APIGatewayV2HTTPRequest) { e.RequestContext.DomainName = "" }, 200, "/x"},
		"odd domain":                   {func(e *events.APIGatewayV2HTTPRequest) { e.RequestContext.DomainName = "a b/%zz" }, 200, "/x"},
		"body is not base64":           {func(e *events.APIGatewayV2HTTPRequest) { e.Body, e.IsBase64Encoded = "%%%", true }, 400, ""},
		"method with a space":          {func(e *events.APIGatewayV2HTTPRequest) { e.RequestContext.HTTP.Method = "G ET" }, 400, ""},
		"percent in the decoded path":  {func(e *events.APIGatewayV2HTTPRequest) { e.RawPath = "/100%" }, 200, "/100%"},
		"question in the decoded path": {func(e *events.APIGatewayV2HTTPRequest) { e.RawPath = "/a?do=panic" }, 200, "/a?do=panic"},
	} {
		t.Run(name, func(t *testing.T) {
			e := eventOf(httptest.NewRequest("GET", "/x", nil), nil)
			c.edit(&e)
			got := throughGateway(t, h, e)
			var s seen
			_ = json.Unmarshal([]byte(got.Body), &s)
			if got.Status != c.status || c.status == 200 && s.Path != c.path {
				t.Errorf("status %d, path %q; want %d, %q: %s", got.Status, s.Path, c.status, c.path, got.Body)
			}
		})
	}
}

func FuzzHandler(f *testing.F) {
	f.Add("GET", "/a%", "x=1&y=%zz", "x-a", "1, 2", "body", false)
	f.Add("POST", "//", "", "cookie", "a=b", "////", true)
	f.Fuzz(func(t *testing.T, method, path, query, header, value, body string, encoded bool) {
		e := events.APIGatewayV2HTTPRequest{RawPath: path, RawQueryString: query, Headers: map[string]string{header: value}, Body: body, IsBase64Encoded: encoded}
		e.RequestContext.HTTP.Method = method
		resp, err := Handler(http.HandlerFunc(behave), slog.New(slog.DiscardHandler))(t.Context(), e)
		if err != nil || resp.StatusCode < 200 || resp.StatusCode > 599 {
			t.Errorf("status %d, %v", resp.StatusCode, err)
		}
	})
}

// TestALargeBodyIsNotCopied holds the memory of a large request to what reading the event's JSON takes: its text once without
// escapes, and once as a string.
func TestALargeBodyIsNotCopied(t *testing.T) {
	text := strings.Repeat(`{"name": "value"}`+"\n", MaxRequestBody/18)
	payload, err := json.Marshal(events.APIGatewayV2HTTPRequest{Version: "2.0", RawPath: "/", Body: text})
	if err != nil {
		t.Fatal(err)
	}
	var read int64
	handler := Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if n := r.ContentLength; n != int64(len(text)) {
			t.Errorf("length %d, want %d", n, len(text))
		}
		if read, err = io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
	}), slog.New(slog.DiscardHandler))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	answer, err := handler.Invoke(t.Context(), payload)
	runtime.ReadMemStats(&after)
	var resp events.APIGatewayV2HTTPResponse
	if err != nil || json.Unmarshal(answer, &resp) != nil || resp.StatusCode != http.StatusOK || read != int64(len(text)) {
		t.Errorf("answer %s, %v, %d bytes read", answer, err, read)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > uint64(len(text))*5/2 {
		t.Errorf("%d bytes were allocated for a body of %d", n, len(text))
	}
}

func TestWhatIsNoEventIsAnError(t *testing.T) {
	handler := Handler(http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	if _, err := handler.Invoke(t.Context(), []byte("[]")); err == nil {
		t.Error("no error")
	}
}
