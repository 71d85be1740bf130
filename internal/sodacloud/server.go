// Package sodacloud is the door for Soda's scanners: the paths of the protocol that unmodified Soda Core clients of both
// generations speak.
//
// It owns transport, authentication and dispatch by the member "type": what a body may be, how errors are worded, which
// answers these clients need (always JSON, success exactly 200, 401 with a JSON body, the scan id in X-Soda-Trace-Id).
// What a payload means belongs to packages v3 and v4, what happens with it to packages hub and runs.
package sodacloud

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sodalite-dq/sodalite/internal/auth"
	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/metrics"
	v3 "github.com/sodalite-dq/sodalite/internal/sodacloud/v3"
	v4 "github.com/sodalite-dq/sodalite/internal/sodacloud/v4"
	"github.com/sodalite-dq/sodalite/internal/sodacloud/wire"
)

// Hub is what the scanners' protocol needs of the system.
type Hub interface {
	Accept(ctx context.Context, s *dq.Scan) (hub.Accepted, error)
	Measurements(ctx context.Context, q hub.MeasurementQuery) ([]hub.Measured, error)
	CheckResults(ctx context.Context, q hub.CheckResultQuery) ([]hub.CheckResult, error)
	Attributes(ctx context.Context) ([]hub.AttributeSchema, error)
	Check(ctx context.Context, id string) (hub.Check, error)
	SaveSample(ctx context.Context, path string, data []byte) (id string, err error)
	ScanHead(ctx context.Context, id string) (hub.ScanHead, error)
	Contracts
}

// Auth knows API keys and tokens. Of its errors, auth.ErrUnauthorized and auth.TooManyAttempts are told apart; anything
// else is a failure of ours.
type Auth interface {
	// Login trades an API key for a token. remote is the sender's address, for limiting attempts.
	Login(ctx context.Context, keyID, secret, remote string) (token string, err error)
	// Authorize accepts a token that Login gave out and that is still good, and tells whose it is.
	Authorize(ctx context.Context, token string) (auth.Principal, error)
}

// Config is what the server needs. All but Samples, OnlyKnownAttributes and PublicURL are required.
type Config struct {
	Hub  Hub
	Runs Runs
	Auth Auth
	Log  *slog.Logger
	// MaxBody is the largest body accepted, in bytes, after decompression.
	MaxBody int64
	// Samples tells clients to upload rows, and accepts them.
	Samples bool
	// OnlyKnownAttributes drops check attributes that the schema does not have.
	OnlyKnownAttributes bool
	// PublicURL is the address of the pages, without a slash at the end; "" leaves links out of answers.
	PublicURL string
	// Metrics hears of accepted scans; nil for none.
	Metrics *metrics.Recorder
}

type server struct{ Config }

// Mount serves the protocol on mux: POST /api/command, /api/query, /api/scan/upload and /api/logs/{scan id}/batchV3 and V4.
func Mount(mux *http.ServeMux, c Config) {
	s := &server{c}
	mux.Handle("/api/command", s.post(s.command))
	mux.Handle("/api/query", s.post(s.query))
	mux.Handle("/api/scan/upload", s.post(s.upload))
	mux.Handle("/api/logs/{id}/batchV3", s.post(s.stream))
	mux.Handle("/api/logs/{id}/batchV4", s.post(s.stream))
}

// Failure is an answer that is not 200: {"code": …, "message": …}, as Soda's public API words errors.
type Failure struct {
	Status  int           `json:"-"`
	Code    string        `json:"code"`
	Message string        `json:"message"`
	After   time.Duration `json:"-"` // Retry-After, if not 0
	Cause   error         `json:"-"` // for the log
}

func (f *Failure) Error() string { return f.Code + ": " + f.Message }

func (f *Failure) Unwrap() error { return f.Cause }

// answer handles one request; traceID may be replaced (by the scan id).
type answer func(r *http.Request, traceID *string) (any, error)

// post answers POST with what handle returns, as JSON, whatever happens.
func (s *server) post(handle answer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		traceID := strings.ToLower(rand.Text())
		var body any
		err := error(&Failure{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Message: "use POST"})
		if r.Method == http.MethodPost {
			body, err = handle(r, &traceID)
		} else {
			w.Header().Set("Allow", http.MethodPost)
		}
		status := http.StatusOK
		if err != nil {
			f := s.failure(r, err, traceID)
			status, body = f.Status, f
			if f.After > 0 {
				w.Header().Set("Retry-After", strconv.Itoa(int(f.After/time.Second)+1))
			}
		}
		data, err := json.Marshal(body)
		if err != nil {
			s.Log.ErrorContext(r.Context(), "answer cannot be written as JSON", "error", err, "trace", traceID)
			status, data = http.StatusInternalServerError, []byte(`{"code":"internal_error","message":"Internal error."}`)
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Soda-Trace-Id", traceID)
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_, _ = w.Write(append(data, '\n')) // the client is gone if this fails
	})
}

// failure words an error for the sender and logs what the operator should know.
func (s *server) failure(r *http.Request, err error, traceID string) *Failure {
	log := s.Log.With("path", r.URL.Path, "trace", traceID, "remote", r.RemoteAddr)
	var f *Failure
	var bad *wire.Error
	var wait auth.TooManyAttempts
	switch {
	case errors.As(err, &f):
	case errors.As(err, &bad):
		f = &Failure{Status: http.StatusBadRequest, Code: "invalid_payload", Message: bad.Error()}
	case errors.Is(err, auth.ErrUnauthorized):
		f = &Failure{Status: http.StatusUnauthorized, Code: "unauthorized", Message: "The API key or token is not valid."}
	case errors.As(err, &wait):
		f = &Failure{Status: http.StatusTooManyRequests, Code: "too_many_requests", Message: wait.Error(), After: wait.After}
	case errors.Is(err, hub.ErrTooLarge):
		f = &Failure{Status: http.StatusRequestEntityTooLarge, Code: "too_large", Message: err.Error()}
	case errors.Is(err, hub.ErrInvalid):
		f = &Failure{Status: http.StatusBadRequest, Code: "invalid_payload", Message: err.Error()}
	default:
		log.ErrorContext(r.Context(), "request failed", "error", err)
		return patient(r, &Failure{Status: http.StatusServiceUnavailable, Code: "unavailable", Message: "The storage did not answer. Send it again, nothing doubles. Trace id " + traceID + "."})
	}
	log.WarnContext(r.Context(), "request refused", "status", f.Status, "reason", f.Message, "cause", f.Cause)
	return f
}

// retryAfter is how long a client is asked to wait when the storage does not answer.
const retryAfter = 5 * time.Second

// patient asks a client to wait and send again that says it would: Soda Core from 4.28 on does so for some minutes when it is
// answered 429. Others would take that for an end like any other.
func patient(r *http.Request, f *Failure) *Failure {
	if r.Header.Get("X-Soda-Backpressure") != "" {
		f.Status, f.After = http.StatusTooManyRequests, retryAfter
	}
	return f
}

// maxTrusted is how much room is made for a body because its sender says how long it is, before any of it is there. Lambda's
// largest body is smaller.
const maxTrusted = 8 << 20

// read reads the body within the limit, decompressing it if the sender says so.
func (s *server) read(r *http.Request) ([]byte, error) {
	if r.ContentLength > s.MaxBody {
		return nil, s.tooLarge(fmt.Sprintf("%d bytes", r.ContentLength))
	}
	var from io.Reader = r.Body
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
	case "gzip":
		unzip, err := gzip.NewReader(io.LimitReader(r.Body, s.MaxBody))
		if err != nil {
			return nil, &Failure{Status: http.StatusBadRequest, Code: "invalid_body", Message: "the body is not gzip", Cause: err}
		}
		from = unzip
	default:
		return nil, &Failure{Status: http.StatusUnsupportedMediaType, Code: "unsupported_encoding", Message: "Content-Encoding must be gzip or absent"}
	}
	var buffer bytes.Buffer
	if from == r.Body && r.ContentLength > 0 {
		buffer.Grow(int(min(r.ContentLength, maxTrusted)) + bytes.MinRead)
	}
	_, err := buffer.ReadFrom(io.LimitReader(from, s.MaxBody+1))
	data := buffer.Bytes()
	if err != nil {
		return nil, &Failure{Status: http.StatusBadRequest, Code: "invalid_body", Message: "the body could not be read to its end", Cause: err}
	}
	if int64(len(data)) > s.MaxBody {
		return nil, s.tooLarge("more")
	}
	return data, nil
}

func (s *server) tooLarge(size string) error {
	return &Failure{
		Status: http.StatusRequestEntityTooLarge, Code: "too_large",
		Message: fmt.Sprintf("The body has %s, at most %d bytes are accepted. Nothing was stored. Split the scan, or scan without -V.", size, s.MaxBody),
	}
}

// envelope reads a body that is a JSON object with a string member "type".
func (s *server) envelope(r *http.Request) (kind string, members map[string]json.RawMessage, err error) {
	data, err := s.read(r)
	if err != nil {
		return "", nil, err
	}
	if !utf8.Valid(data) {
		data = bytes.ToValidUTF8(data, []byte("\uFFFD"))
	}
	if err := json.Unmarshal(data, &members); err != nil {
		return "", nil, &Failure{Status: http.StatusBadRequest, Code: "invalid_json", Message: jsonProblem(data, err)}
	}
	if members == nil {
		return "", nil, &Failure{Status: http.StatusBadRequest, Code: "invalid_json", Message: "the body is null, want a JSON object"}
	}
	if err := member(members, "type", &kind); err != nil {
		return "", nil, err
	}
	return kind, members, nil
}

// jsonProblem says where the JSON is wrong.
func jsonProblem(data []byte, err error) string {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		before := data[:min(int(syntax.Offset), len(data))]
		line := 1 + bytes.Count(before, []byte("\n"))
		column := len(before) - (bytes.LastIndexByte(before, '\n') + 1)
		return fmt.Sprintf("the body is not JSON: %s (line %d, column %d); NaN and Infinity are not JSON", syntax.Error(), line, column)
	}
	return "the body is not a JSON object"
}

// member reads a string member that must be there.
func member(members map[string]json.RawMessage, name string, to *string) error {
	raw, ok := members[name]
	if !ok {
		return &Failure{Status: http.StatusBadRequest, Code: "invalid_payload", Message: name + ": is missing"}
	}
	if json.Unmarshal(raw, to) != nil || string(raw) == "null" {
		return &Failure{Status: http.StatusBadRequest, Code: "invalid_payload", Message: name + ": want a string"}
	}
	return nil
}

// call is one command or query of somebody who is known.
type call struct {
	*http.Request
	who     auth.Principal
	kind    string
	members map[string]json.RawMessage
	// traceID may be replaced by the scan id.
	traceID *string
}

// handler answers a call.
type handler func(*server, call) (any, error)

// authorize checks the token in the body. A missing one is as bad as a wrong one.
func (s *server) authorize(r *http.Request, members map[string]json.RawMessage) (auth.Principal, error) {
	var token string
	if member(members, "token", &token) != nil {
		return auth.Principal{}, auth.ErrUnauthorized
	}
	return s.Auth.Authorize(r.Context(), token)
}

var commands = map[string]handler{
	"sodaCoreInsertScanResults":  (*server).insert,
	"sodaCoreUploadContractFile": (*server).uploadContract,
	"sodaCorePublishContract":    (*server).publishContract,
	"sodaCoreVerifyContract":     (*server).verifyContract,
	"sodaCoreTestContract":       (*server).testContract,

	"sodaCoreScanStart":            (*server).scanStart,
	"sodaCoreInsertScanDataBatch":  (*server).insert4,
	"sodaCoreScanEndAsync":         (*server).scanEnd,
	"sodaCoreMarkScanFailed":       (*server).markFailed,
	"sodaCorePostProcessingUpdate": (*server).stageUpdate,

	"sodaCorePushContractRequestProposal": (*server).noRequests,
	"sodaCoreTransitionContractRequest":   (*server).noRequests,
}

func (s *server) command(r *http.Request, traceID *string) (any, error) {
	kind, members, err := s.envelope(r)
	if err != nil {
		return nil, err
	}
	if kind == "login" {
		return s.login(r, members)
	}
	handle, ok := commands[kind]
	if !ok {
		return nil, unknownType("command", kind)
	}
	who, err := s.authorize(r, members)
	if err != nil {
		return nil, err
	}
	return handle(s, call{r, who, kind, members, traceID})
}

func unknownType(what, kind string) error {
	return &Failure{Status: http.StatusBadRequest, Code: "unknown_" + what, Message: fmt.Sprintf("type: unknown %s %q", what, dq.Truncate(kind, 100))}
}

// login trades the key for a token. Keys of digits only arrive as JSON numbers.
func (s *server) login(r *http.Request, members map[string]json.RawMessage) (any, error) {
	token, err := s.Auth.Login(r.Context(), scalar(members["apiKeyId"]), scalar(members["apiKeySecret"]), remote(r))
	if err != nil {
		return nil, err
	}
	return map[string]string{"token": token}, nil
}

// scalar reads a string or number as text, "" for anything else.
func scalar(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var n json.Number
	_ = json.Unmarshal(raw, &n) // neither: no key
	return n.String()
}

func remote(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// inserted is the answer to an insert. Soda Core 3 reads none of it; the console shows the trace id.
type inserted struct {
	ScanID   string `json:"scanId"`
	CloudURL string `json:"cloudUrl,omitempty"`
}

func (s *server) insert(c call) (any, error) {
	if v4.Is(c.members) {
		return s.insert4(c)
	}
	scan, err := v3.Scan(c.members)
	if err != nil {
		return nil, err
	}
	accepted, err := s.accept(c, scan)
	if err != nil {
		return nil, err
	}
	out := inserted{ScanID: accepted.ID}
	if s.PublicURL != "" {
		out.CloudURL = s.PublicURL + "/scans/" + accepted.ID
	}
	return out, nil
}

// accept stores a scan and tells the log and the metrics.
func (s *server) accept(c call, scan *dq.Scan) (hub.Accepted, error) {
	if s.OnlyKnownAttributes {
		schema, err := s.Hub.Attributes(c.Context())
		if err != nil {
			return hub.Accepted{}, err
		}
		v3.KeepKnownAttributes(scan, schema)
	}
	accepted, err := s.Hub.Accept(c.Context(), scan)
	if err != nil {
		return accepted, err
	}
	*c.traceID = accepted.ID
	s.Log.InfoContext(c.Context(), "scan accepted", "scan", accepted.ID, "definition", scan.Definition, "state", scan.State,
		"checks", len(scan.Results), "duplicate", accepted.Duplicate, "bytes", c.ContentLength)
	if !accepted.Duplicate {
		s.Metrics.Record(c.Context(), "metrics of ingest", metrics.Count(metrics.ScansAccepted, 1), metrics.Bytes(metrics.PayloadBytes, c.ContentLength))
	}
	return accepted, nil
}

var queries = map[string]handler{
	"sodaCoreCloudConfiguration":       (*server).cloudConfiguration,
	"sodaCoreAvailableCheckAttributes": (*server).availableAttributes,
	"sodaCoreHistoricMeasurements":     (*server).historicMeasurements,
	"sodaCoreHistoricCheckResults":     (*server).historicCheckResults,
	"sodaCoreCheckIdentities":          (*server).checkIdentities,
	"sodaCoreCanManageContracts":       (*server).canManageContracts,
	"sodaCoreGetContract":              (*server).getContract,

	"whoAmI":                                 (*server).whoAmI,
	"sodaCoreDatasetsConfiguration":          (*server).datasetsConfiguration,
	"sodaCoreGetDatasourceConfigurationFile": (*server).datasourceConfiguration,
	"sodaCoreContracts":                      (*server).contracts,
	"sodaCoreHistoricMeasurements2":          (*server).historicMeasurements2,
	"sodaCoreHistoricCheckResults2":          (*server).historicCheckResults2,
	"sodaCoreFetchContractRequestProposal":   (*server).noRequests,
}

func (s *server) query(r *http.Request, traceID *string) (any, error) {
	kind, members, err := s.envelope(r)
	if err != nil {
		return nil, err
	}
	who, err := s.authorize(r, members)
	if err != nil {
		return nil, err
	}
	handle, ok := queries[kind]
	if !ok {
		return nil, unknownType("query", kind)
	}
	return handle(s, call{r, who, kind, members, traceID})
}

func (s *server) cloudConfiguration(call) (any, error) {
	return map[string]bool{"disableCollectingWarehouseData": !s.Samples}, nil
}

func (s *server) availableAttributes(c call) (any, error) {
	schema, err := s.Hub.Attributes(c.Context())
	return s.found(c, v3.Attributes(schema), err)
}

func (s *server) historicMeasurements(c call) (any, error) {
	f, err := v3.ReadHistoryFilter(c.members)
	if err != nil {
		return nil, err
	}
	list, err := s.Hub.Measurements(c.Context(), hub.MeasurementQuery{Identity: f.MetricIdentity, From: f.From, To: f.To, Limit: f.Limit})
	return s.found(c, v3.Measurements(list), err)
}

func (s *server) historicCheckResults(c call) (any, error) {
	f, err := v3.ReadHistoryFilter(c.members)
	if err != nil {
		return nil, err
	}
	list, err := s.Hub.CheckResults(c.Context(), hub.CheckResultQuery{Identity: f.CheckIdentity, Limit: f.Limit})
	return s.found(c, v3.CheckResults(list), err)
}

// found is the answer to a query during a scan. Clients treat an error body as an answer and may abort the whole scan, so
// trouble of ours is logged and answered with nothing found.
func (s *server) found(c call, results any, err error) (any, error) {
	if err != nil {
		s.Log.ErrorContext(c.Context(), "query answered with nothing found", "type", c.kind, "error", err, "trace", *c.traceID)
	}
	return map[string]any{"results": results}, nil
}

// checkIdentities answers the anomaly simulator, which knows a check by the id that its page has.
func (s *server) checkIdentities(c call) (any, error) {
	var id string
	if err := member(c.members, "checkId", &id); err != nil {
		return nil, err
	}
	check, err := s.Hub.Check(c.Context(), id)
	if errors.Is(err, hub.ErrNotFound) {
		return nil, &Failure{Status: http.StatusNotFound, Code: "not_found", Message: "checkId: there is no check with this id"}
	}
	if err != nil {
		return nil, err
	}
	return map[string]any{"identities": v3.Identities(&check.Check)}, nil
}

// upload stores a sample of rows. Clients read only whether the answer has a fileId.
func (s *server) upload(r *http.Request, _ *string) (any, error) {
	if _, err := s.Auth.Authorize(r.Context(), r.Header.Get("Authorization")); err != nil {
		return nil, err
	}
	if !s.Samples {
		return nil, &Failure{Status: http.StatusForbidden, Code: "samples_off", Message: "Samples of rows are not collected here. The operator can turn them on with SODALITE_SAMPLES=on."}
	}
	data, err := s.read(r)
	if err != nil {
		return nil, err
	}
	id, err := s.Hub.SaveSample(r.Context(), latin1(r.Header.Get("File-Path")), data)
	if err != nil {
		return nil, err
	}
	return map[string]string{"fileId": id}, nil
}

// latin1 reads a header in which the client sends 8-bit characters as they are.
func latin1(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}
