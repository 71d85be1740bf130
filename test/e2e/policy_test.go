package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// call is one thing that a function did in AWS, as IAM sees it: a transaction is authorised as its parts.
type call struct {
	function string // logical id
	action   string
	resource string // in the words of the template: Table.Arn, ${Table.Arn}/index/index, AlertTopic
	key      string // partition key of a DynamoDB item, "" if the action has none
}

// recorder stands between functions and the emulator and notes what they do.
type recorder struct {
	*httptest.Server
	// names gives the template's word for a table, topic or secret.
	names func(physical string) string
	mu    sync.Mutex
	calls map[call]int
	odd   []string
}

func startRecorder(t *testing.T, target string) *recorder {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{calls: map[call]int{}, names: func(s string) string { return s }}
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(to) }}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.note(req, body)
		req.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, req)
	}))
	t.Cleanup(r.Close)
	return r
}

var applicationID = regexp.MustCompile(`\bapp/(\w+)`)

func (r *recorder) note(req *http.Request, body []byte) {
	app := applicationID.FindStringSubmatch(req.UserAgent())
	if app == nil {
		return // the emulator itself or the test
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	calls := callsOf(req, body)
	if len(calls) == 0 {
		r.odd = append(r.odd, fmt.Sprintf("%s: %s %s %s", app[1], req.Method, req.URL, req.Header.Get("X-Amz-Target")))
	}
	for _, c := range calls {
		c.function = app[1]
		r.calls[c]++
	}
}

// callsOf reads the requests of the AWS APIs that functions use.
func callsOf(req *http.Request, body []byte) []call {
	service, operation, _ := strings.Cut(req.Header.Get("X-Amz-Target"), ".")
	switch {
	case strings.HasPrefix(service, "DynamoDB_"):
		return dynamoCalls(operation, body)
	case service == "secretsmanager":
		var in struct{ SecretId string }
		_ = json.Unmarshal(body, &in)
		return []call{{action: "secretsmanager:" + operation, resource: in.SecretId}}
	case strings.HasSuffix(req.URL.Path, "/invocations"):
		name, err := url.PathUnescape(strings.TrimSuffix(strings.TrimPrefix(req.URL.EscapedPath(), "/2015-03-31/functions/"), "/invocations"))
		if err == nil {
			return []call{{action: "lambda:InvokeFunction", resource: name}}
		}
	case service == "": // the query protocol of SNS
		form, err := url.ParseQuery(string(body))
		if err == nil && form.Get("Action") == "Publish" {
			return []call{{action: "sns:Publish", resource: form.Get("TopicArn")}}
		}
	}
	return nil
}

type attribute map[string]string // such as {"S": "x"}

type dynamoRequest struct {
	TableName, IndexName string
	Item, Key            map[string]attribute
}

func (d dynamoRequest) call(action string, key map[string]attribute) call {
	c := call{action: "dynamodb:" + action, resource: d.TableName, key: key["pk"]["S"]}
	if d.IndexName != "" {
		c.resource += "/" + d.IndexName
	}
	return c
}

// partition finds the value of the partition key in a key condition: it is the one that must be equal.
var partition = regexp.MustCompile(`= *(:\w+)`)

func dynamoCalls(operation string, body []byte) []call {
	// Bodies of items are binary, numbers and so on; only the keys matter here, and they are texts.
	var in struct {
		TableName, IndexName      string
		Item, Key                 map[string]json.RawMessage
		KeyConditionExpression    string
		ExpressionAttributeValues map[string]json.RawMessage
		RequestItems              map[string]struct{ Keys []map[string]json.RawMessage }
		TransactItems             []map[string]struct {
			TableName string
			Item, Key map[string]json.RawMessage
		}
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil
	}
	key := func(item map[string]json.RawMessage) map[string]attribute {
		var pk attribute
		_ = json.Unmarshal(item["pk"], &pk)
		return map[string]attribute{"pk": pk}
	}
	d := dynamoRequest{TableName: in.TableName, IndexName: in.IndexName}
	var calls []call
	switch operation {
	case "GetItem", "DeleteItem":
		calls = append(calls, d.call(operation, key(in.Key)))
	case "PutItem":
		calls = append(calls, d.call(operation, key(in.Item)))
	case "Query":
		var pk attribute
		if name := partition.FindStringSubmatch(in.KeyConditionExpression); name != nil {
			_ = json.Unmarshal(in.ExpressionAttributeValues[name[1]], &pk)
		}
		calls = append(calls, d.call(operation, map[string]attribute{"pk": pk}))
	case "BatchGetItem":
		for table, request := range in.RequestItems {
			for _, k := range request.Keys {
				calls = append(calls, dynamoRequest{TableName: table}.call(operation, key(k)))
			}
		}
	case "TransactWriteItems":
		for _, item := range in.TransactItems {
			for kind, part := range item {
				action, k := kind+"Item", part.Item
				if kind == "ConditionCheck" {
					action = "ConditionCheckItem"
				}
				if k == nil {
					k = part.Key
				}
				calls = append(calls, dynamoRequest{TableName: part.TableName}.call(action, key(k)))
			}
		}
	}
	return calls
}

// statement is what a function's role allows.
type statement struct {
	sid       string
	actions   []string
	resources []string
	keys      []string // patterns of partition keys; nil for any
}

// ofTheService are actions that the Lambda service takes with a function's role, not the function.
var ofTheService = regexp.MustCompile(`^(logs|xray|sqs):|^dynamodb:(DescribeStream|GetRecords|GetShardIterator|ListStreams)$`)

// statements reads the policy of a function's role from the transformed template.
func statements(t *testing.T, template map[string]any, function string, conditions map[string]bool) []statement {
	t.Helper()
	at := func(v any, names ...string) any {
		for _, name := range names {
			m, ok := v.(map[string]any)
			if !ok || m[name] == nil {
				t.Fatalf("%s: no %s in the template", function, strings.Join(names, "."))
			}
			v = m[name]
		}
		return v
	}
	role := strings.TrimSuffix(words(at(template, "Resources", function, "Properties", "Role"))[0], ".Arn")
	policies := slices.Clone(at(template, "Resources", role, "Properties", "Policies").([]any))
	for name, r := range at(template, "Resources").(map[string]any) {
		if at(r, "Type") == "AWS::IAM::Policy" && slices.Contains(words(at(template, "Resources", name, "Properties", "Roles")), role) {
			policies = append(policies, at(r, "Properties"))
		}
	}
	var out []statement
	for _, p := range policies {
		for _, s := range at(p, "PolicyDocument", "Statement").([]any) {
			s, ok := chosen(s, conditions).(map[string]any)
			if !ok {
				continue
			}
			st := statement{sid: s["Sid"].(string), actions: words(s["Action"]), resources: words(chosen(s["Resource"], conditions))}
			if s["Effect"] != "Allow" {
				continue // what is denied is allowed to the Lambda service only
			}
			if condition, ok := s["Condition"]; ok && !ofTheService.MatchString(st.actions[0]) {
				if like, ok := condition.(map[string]any)["ForAllValues:StringLike"]; ok {
					st.keys = words(at(like, "dynamodb:LeadingKeys"))
				}
			}
			out = append(out, st)
		}
	}
	return out
}

// chosen resolves Fn::If, also in lists.
func chosen(v any, conditions map[string]bool) any {
	switch v := v.(type) {
	case []any:
		var out []any
		for _, e := range v {
			if e = chosen(e, conditions); e != nil {
				out = append(out, e)
			}
		}
		return out
	case map[string]any:
		if branches, ok := v["Fn::If"].([]any); ok {
			if conditions[branches[0].(string)] {
				return chosen(branches[1], conditions)
			}
			return chosen(branches[2], conditions)
		}
		if v["Ref"] == "AWS::NoValue" {
			return nil
		}
	}
	return v
}

// words makes plain words of a text, a reference, or a list of them.
func words(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, e := range v {
			out = append(out, words(e)...)
		}
		return out
	case map[string]any:
		if parts, ok := v["Fn::GetAtt"]; ok {
			return []string{strings.Join(words(parts), ".")}
		}
		if parts, ok := v["Fn::Split"].([]any); ok {
			return words(parts[1])
		}
		for _, name := range []string{"Ref", "Fn::Sub"} {
			if text, ok := v[name].(string); ok {
				return []string{text}
			}
		}
	}
	return []string{fmt.Sprint(v)}
}

func (s statement) allows(c call) bool {
	if !slices.Contains(s.actions, c.action) || !slices.Contains(s.resources, c.resource) {
		return false
	}
	return s.keys == nil || slices.ContainsFunc(s.keys, func(pattern string) bool { return like(pattern, c.key) })
}

// like is IAM's StringLike.
func like(pattern, text string) bool {
	ok, err := path.Match(strings.ReplaceAll(pattern, "/", "\x00"), strings.ReplaceAll(text, "/", "\x00"))
	return ok && err == nil
}

// check compares what the functions did with what their roles allow: nothing missing, nothing unused.
func (r *recorder) check(t *testing.T, template map[string]any, conditions map[string]bool, functions ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, odd := range r.odd {
		t.Errorf("a call that this test cannot read: %s", odd)
	}
	for _, function := range functions {
		policy := statements(t, template, function, conditions)
		used := map[string]bool{} // statement, action, key pattern
		for c, n := range r.calls {
			if c.function != function {
				continue
			}
			c.resource = r.names(c.resource)
			allowed := false
			for _, s := range policy {
				if !s.allows(c) {
					continue
				}
				allowed = true
				used[s.sid+" "+c.action] = true
				used[s.sid+" "+c.resource] = true
				for _, pattern := range s.keys {
					used[s.sid+" "+pattern] = used[s.sid+" "+pattern] || like(pattern, c.key)
				}
			}
			if !allowed {
				t.Errorf("%s may not do what it did %d times: %s on %s, key %q", function, n, c.action, c.resource, c.key)
			}
		}
		for _, s := range policy {
			for _, what := range slices.Concat(s.actions, s.resources, s.keys) {
				if !ofTheService.MatchString(s.actions[0]) && !used[s.sid+" "+what] {
					t.Errorf("%s: statement %s allows %s, which was not needed", function, s.sid, what)
				}
			}
		}
	}
}
