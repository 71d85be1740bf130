// Package gateway turns API Gateway HTTP API events (payload 2.0) into calls of an http.Handler, and its answers back.
//
// The translation itself is awslabs/aws-lambda-go-api-proxy's httpadapter. That module is archived with known gaps, which
// this package closes around it: HTTP APIs deliver a decoded path, so a "%" in it breaks the request and "%3F" would begin
// a query; headers are split at commas; a handler that writes nothing is an error; a panic ends the process; the body of
// an answer to HEAD is sent; an answer over Lambda's limit is lost without a word. What requests mean belongs to the
// handlers: they see what net/http would have shown them.
package gateway

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"
)

// MaxRequestBody is the largest request body that reaches a function: Lambda takes 6 MB of event, and what is not UTF-8
// arrives as base64, with room left for headers.
const MaxRequestBody = 4 << 20

// maxAnswer is the largest answer that Lambda takes, as JSON.
const maxAnswer = 6<<20 - 16<<10

// Function is a Lambda handler for HTTP API events.
type Function func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error)

// Invoke takes an event as Lambda sends it, which makes a Function what lambda.Start calls without a copy of the event.
func (f Function) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var event events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(payload, &event); err != nil {
		return nil, err
	}
	resp, err := f(ctx, event)
	if err != nil {
		return nil, err
	}
	return json.Marshal(resp)
}

// Handler serves HTTP API events with h. The Function never returns an error: what goes wrong is logged and answered with
// JSON that names the trace id.
func Handler(h http.Handler, log *slog.Logger) Function {
	adapter := httpadapter.NewV2(answering(h, log))
	return func(ctx context.Context, event events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		traceID := event.RequestContext.RequestID
		event.RawPath = escapedPath(event)
		event.RequestContext.DomainName = host(event)
		event.QueryStringParameters = nil // RawQueryString has it all
		body, err := takeBody(&event)
		var resp events.APIGatewayV2HTTPResponse
		if err == nil {
			resp, err = adapter.ProxyWithContext(context.WithValue(ctx, eventKey{}, &sent{&event, body}), event)
		}
		if err != nil {
			log.WarnContext(ctx, "event is no HTTP request", "error", err, "trace", traceID)
			return failure(http.StatusBadRequest, "bad_request", "The request cannot be read.", traceID), nil
		}
		if size := answerSize(&resp); size > maxAnswer {
			log.ErrorContext(ctx, "answer is larger than Lambda takes", "bytes", size, "path", event.RawPath, "trace", traceID)
			return failure(http.StatusInternalServerError, "answer_too_large", "The answer is too large. Ask for a smaller page.", traceID), nil
		}
		if _, ok := resp.Headers["X-Soda-Trace-Id"]; !ok {
			resp.Headers["X-Soda-Trace-Id"] = traceID
		}
		return resp, nil
	}
}

type eventKey struct{}

// sent is what the client sent.
type sent struct {
	event *events.APIGatewayV2HTTPRequest
	body  *body
}

// body is a request's, given to the handler as it is in the event: large ones are not copied, and forgotten once they were
// read.
type body struct {
	reader io.Reader
	length int64
}

// takeBody takes the body out of the event.
func takeBody(event *events.APIGatewayV2HTTPRequest) (*body, error) {
	text := event.Body
	event.Body = ""
	if !event.IsBase64Encoded {
		return &body{strings.NewReader(text), int64(len(text))}, nil
	}
	event.IsBase64Encoded = false
	data, err := base64.StdEncoding.DecodeString(text)
	return &body{bytes.NewReader(data), int64(len(data))}, err
}

// Read implements [io.Reader].
func (b *body) Read(p []byte) (int, error) {
	if b.reader == nil {
		return 0, io.EOF
	}
	n, err := b.reader.Read(p)
	if err != nil {
		b.reader = nil
	}
	return n, err
}

// Close implements [io.Closer].
func (b *body) Close() error {
	b.reader = nil
	return nil
}

// escapedPath is the path as the client sent it, as far as that can be told: without the stage, and with everything that
// would mean something else in a URL escaped again.
func escapedPath(e events.APIGatewayV2HTTPRequest) string {
	path := e.RawPath
	if path == "" {
		path = e.RequestContext.HTTP.Path
	}
	if stage := e.RequestContext.Stage; stage != "" && stage != "$default" {
		if rest, ok := strings.CutPrefix(path, "/"+stage); ok && (rest == "" || rest[0] == '/') {
			path = rest
		}
	}
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return (&url.URL{Path: path}).EscapedPath()
}

// host is a host name that makes a URL whatever the event has; handlers see the Host header.
func host(e events.APIGatewayV2HTTPRequest) string {
	if u, err := url.Parse("https://" + e.RequestContext.DomainName); err == nil && u.Host != "" && u.Path == "" {
		return e.RequestContext.DomainName
	}
	return "localhost"
}

// answering calls h with the request that the client sent, and writes its answer the way net/http would have.
func answering(h http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, _ := r.Context().Value(eventKey{}).(*sent)
		event := sent.event
		restore(r, event)
		r.Body, r.ContentLength, r.GetBody = sent.body, sent.body.length, nil
		a := &answer{header: http.Header{}}
		if !a.serve(h, r, log, event.RequestContext.RequestID) {
			a = &answer{header: http.Header{"Content-Type": {"application/json"}}, status: http.StatusInternalServerError}
			a.body.Write(failureBody("internal_error", "Internal error.", event.RequestContext.RequestID))
		}
		a.writeTo(w, r.Method)
	})
}

// restore undoes what the adapter does to headers.
func restore(r *http.Request, event *events.APIGatewayV2HTTPRequest) {
	r.Header = http.Header{}
	for name, value := range event.Headers {
		r.Header.Set(name, value)
	}
	if len(event.Cookies) > 0 {
		r.Header.Set("Cookie", strings.Join(event.Cookies, "; "))
	}
	if h := r.Header.Get("Host"); h != "" {
		r.Host = h
		r.Header.Del("Host") // as net/http does
	}
	r.URL.Scheme, r.URL.Host = "", ""
}

// answer collects what a handler writes.
type answer struct {
	header http.Header // as the handler sees it
	sent   http.Header // as it was when the status was set
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status != 0 || status < 200 { // informational answers cannot be passed on
		return
	}
	a.status, a.sent = status, a.header.Clone()
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if !hasBody(a.status) {
		return 0, http.ErrBodyNotAllowed
	}
	return a.body.Write(p)
}

func hasBody(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified
}

// serve runs h; false if it panicked.
func (a *answer) serve(h http.Handler, r *http.Request, log *slog.Logger, traceID string) (ok bool) {
	defer func() {
		if p := recover(); p != nil {
			log.ErrorContext(r.Context(), "handler panicked", "panic", p, "trace", traceID, "stack", string(debug.Stack()))
		}
	}()
	h.ServeHTTP(a, r)
	return true
}

func (a *answer) writeTo(w http.ResponseWriter, method string) {
	a.WriteHeader(http.StatusOK)
	if a.sent == nil { // an answer of our own
		a.sent = a.header
	}
	maps.Copy(w.Header(), a.sent)
	body := a.body.Bytes()
	_, typed := a.sent["Content-Type"]
	if _, encoded := a.sent["Content-Encoding"]; !typed && !encoded && len(body) > 0 {
		w.Header().Set("Content-Type", http.DetectContentType(body))
	}
	w.Header().Del("Content-Length") // the gateway counts
	w.WriteHeader(a.status)
	if method != http.MethodHead && len(body) > 0 {
		_, _ = w.Write(body) // into the adapter's buffer
	}
}

func failureBody(code, message, traceID string) []byte {
	data, _ := json.Marshal(map[string]string{"code": code, "message": message + " Trace id " + traceID + "."}) // strings cannot fail
	return data
}

func failure(status int, code, message, traceID string) events.APIGatewayV2HTTPResponse {
	return events.APIGatewayV2HTTPResponse{
		StatusCode: status, Headers: map[string]string{"Content-Type": "application/json", "X-Soda-Trace-Id": traceID},
		Body: string(failureBody(code, message, traceID)),
	}
}

// answerSize is the size of an answer as JSON, measured only when it could matter: escaping at most multiplies by six.
func answerSize(resp *events.APIGatewayV2HTTPResponse) int {
	if len(resp.Body) < maxAnswer/8 {
		return len(resp.Body)
	}
	data, err := json.Marshal(resp)
	if err != nil {
		return maxAnswer + 1
	}
	return len(data)
}
