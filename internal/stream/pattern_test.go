package stream

import (
	"encoding/json"
	"strings"
	"testing"
)

func mustPattern(tb testing.TB, text string) *Pattern {
	tb.Helper()
	p, err := ParsePattern(text)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func TestPatternMatches(t *testing.T) {
	const event = `{
		"eventName": "INSERT",
		"userIdentity": null,
		"dynamodb": {
			"SizeBytes": 26, "Empty": "", "List": ["a", "b"], "None": [],
			"Keys": {"pk": {"S": "SCAN#abc"}, "sk": {"S": "DOC"}}
		}
	}`
	tests := map[string]struct {
		pattern string
		want    bool
	}{
		"exact":                        {`{"eventName":["INSERT"]}`, true},
		"exact, other":                 {`{"eventName":["REMOVE"]}`, false},
		"exact, other case":            {`{"eventName":["insert"]}`, false},
		"one of several":               {`{"eventName":["REMOVE","INSERT"]}`, true},
		"nested":                       {`{"dynamodb":{"Keys":{"pk":{"S":["SCAN#abc"]}}}}`, true},
		"nested, part of it":           {`{"dynamodb":{"Keys":{"pk":{"S":["SCAN#"]}}}}`, false},
		"all fields must fit":          {`{"eventName":["INSERT"],"dynamodb":{"Keys":{"sk":{"S":["RUN"]}}}}`, false},
		"absent field":                 {`{"dynamodb":{"NewImage":{"x":{"S":["1"]}}}}`, false},
		"field where a value is":       {`{"eventName":{"x":["INSERT"]}}`, false},
		"prefix":                       {`{"dynamodb":{"Keys":{"pk":{"S":[{"prefix":"SCAN#"}]}}}}`, true},
		"prefix, other":                {`{"dynamodb":{"Keys":{"pk":{"S":[{"prefix":"DATASET#"}]}}}}`, false},
		"prefix of a number":           {`{"dynamodb":{"SizeBytes":[{"prefix":"2"}]}}`, false},
		"suffix":                       {`{"dynamodb":{"Keys":{"pk":{"S":[{"suffix":"#abc"}]}}}}`, true},
		"suffix, other":                {`{"dynamodb":{"Keys":{"pk":{"S":[{"suffix":"SCAN"}]}}}}`, false},
		"ignore case":                  {`{"eventName":[{"equals-ignore-case":"insert"}]}`, true},
		"ignore case, other":           {`{"eventName":[{"equals-ignore-case":"inserts"}]}`, false},
		"anything but":                 {`{"eventName":[{"anything-but":"REMOVE"}]}`, true},
		"anything but, it is":          {`{"eventName":[{"anything-but":"INSERT"}]}`, false},
		"anything but a list":          {`{"eventName":[{"anything-but":["REMOVE","MODIFY"]}]}`, true},
		"anything but a list, it is":   {`{"eventName":[{"anything-but":["REMOVE","INSERT"]}]}`, false},
		"anything but a prefix":        {`{"eventName":[{"anything-but":{"prefix":"RE"}}]}`, true},
		"anything but a prefix, it is": {`{"eventName":[{"anything-but":{"prefix":"IN"}}]}`, false},
		"anything but needs a value":   {`{"dynamodb":{"NewImage":[{"anything-but":"x"}]}}`, false},
		"anything but a number":        {`{"dynamodb":{"SizeBytes":[{"anything-but":26}]}}`, false},
		"exists":                       {`{"dynamodb":{"SizeBytes":[{"exists":true}]}}`, true},
		"exists, absent":               {`{"dynamodb":{"Other":[{"exists":true}]}}`, false},
		"exists, of an object":         {`{"dynamodb":{"Keys":[{"exists":true}]}}`, false},
		"exists not":                   {`{"dynamodb":{"Other":[{"exists":false}]}}`, true},
		"exists not, but does":         {`{"dynamodb":{"SizeBytes":[{"exists":false}]}}`, false},
		"exists not, deep":             {`{"dynamodb":{"NewImage":{"x":{"S":[{"exists":false}]}}}}`, true},
		"null":                         {`{"userIdentity":[null]}`, true},
		"null, absent":                 {`{"other":[null]}`, false},
		"null, has a value":            {`{"eventName":[null]}`, false},
		"empty":                        {`{"dynamodb":{"Empty":[""]}}`, true},
		"number":                       {`{"dynamodb":{"SizeBytes":[26]}}`, true},
		"number in other writing":      {`{"dynamodb":{"SizeBytes":[2.6e1]}}`, true},
		"number as text":               {`{"dynamodb":{"SizeBytes":["26"]}}`, false},
		"numeric equal":                {`{"dynamodb":{"SizeBytes":[{"numeric":["=",26]}]}}`, true},
		"numeric less":                 {`{"dynamodb":{"SizeBytes":[{"numeric":["<",26]}]}}`, false},
		"numeric less or equal":        {`{"dynamodb":{"SizeBytes":[{"numeric":["<=",26]}]}}`, true},
		"numeric range":                {`{"dynamodb":{"SizeBytes":[{"numeric":[">",0,"<=",30]}]}}`, true},
		"numeric range, outside":       {`{"dynamodb":{"SizeBytes":[{"numeric":[">=",30,"<",40]}]}}`, false},
		"numeric of a text":            {`{"eventName":[{"numeric":["=",26]}]}`, false},
		"list, one fits":               {`{"dynamodb":{"List":["b"]}}`, true},
		"list, none fits":              {`{"dynamodb":{"List":["c"]}}`, false},
		"list, empty":                  {`{"dynamodb":{"None":["c"]}}`, false},
		"or":                           {`{"$or":[{"eventName":["REMOVE"]},{"dynamodb":{"SizeBytes":[26]}}]}`, true},
		"or, neither":                  {`{"$or":[{"eventName":["REMOVE"]},{"dynamodb":{"SizeBytes":[27]}}]}`, false},
		"or, and beside it":            {`{"eventName":["REMOVE"],"$or":[{"eventName":["INSERT"]},{"dynamodb":{"SizeBytes":[26]}}]}`, false},
		"or, inside":                   {`{"dynamodb":{"Keys":{"$or":[{"sk":{"S":["DOC"]}},{"pk":{"S":["x"]}}]}}}`, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var decoded map[string]any
			if err := json.Unmarshal([]byte(event), &decoded); err != nil {
				t.Fatal(err)
			}
			if got := mustPattern(t, tt.pattern).Matches(decoded); got != tt.want {
				t.Errorf("%s: got %v, want %v", tt.pattern, got, tt.want)
			}
		})
	}
}

func TestPatternRefuses(t *testing.T) {
	tests := map[string]struct{ pattern, want string }{
		"not JSON":                    {`{`, "not JSON"},
		"more after it":               {`{"a":["b"]} x`, "not JSON"},
		"not an object":               {`["a"]`, "not a JSON object"},
		"empty object":                {`{}`, "empty object"},
		"empty object inside":         {`{"a":{}}`, "pattern.a: an empty object"},
		"value without list":          {`{"a":"b"}`, "pattern.a: needs a list"},
		"empty list":                  {`{"a":[]}`, "empty list"},
		"list in a list":              {`{"a":[["b"]]}`, "a list in a list"},
		"wildcard":                    {`{"a":[{"wildcard":"b*"}]}`, "pattern.a[0]: wildcard: is not an operator"},
		"cidr":                        {`{"a":[{"cidr":"10.0.0.0/8"}]}`, "cidr: is not an operator"},
		"unknown inside anything-but": {`{"a":[{"anything-but":{"wildcard":"b*"}}]}`, "anything-but: takes texts"},
		"anything-but null":           {`{"a":[{"anything-but":null}]}`, "anything-but: takes texts"},
		"anything-but nothing":        {`{"a":[{"anything-but":[]}]}`, "needs something"},
		"anything-but two":            {`{"a":[{"anything-but":{"prefix":"a","suffix":"b"}}]}`, "needs one operator"},
		"two operators":               {`{"a":[{"prefix":"b","suffix":"c"}]}`, "needs one operator"},
		"no operator":                 {`{"a":[{}]}`, "needs one operator"},
		"empty prefix":                {`{"a":[{"prefix":""}]}`, "not empty"},
		"prefix of a number":          {`{"a":[{"prefix":1}]}`, "needs a text"},
		"exists with a text":          {`{"a":[{"exists":"true"}]}`, "true or false"},
		"numeric without number":      {`{"a":[{"numeric":["="]}]}`, "pairs"},
		"numeric with a text":         {`{"a":[{"numeric":["=","1"]}]}`, "needs one of"},
		"numeric with another sign":   {`{"a":[{"numeric":["!=",1]}]}`, "needs one of"},
		"or with one":                 {`{"$or":[{"a":["b"]}]}`, "at least two"},
		"or with a text":              {`{"$or":["a","b"]}`, "is not an object"},
		"or with a mistake":           {`{"$or":[{"a":["b"]},{"a":[]}]}`, "pattern.$or[1].a: an empty list"},
		"too long":                    {`{"a":["` + strings.Repeat("b", 5000) + `"]}`, "at most 4096"},
		"too deep":                    {strings.Repeat(`{"a":`, 100) + `["b"]` + strings.Repeat(`}`, 100), "too deep"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := ParsePattern(tt.pattern)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: got error %v, want %q", tt.pattern, err, tt.want)
			}
		})
	}
}

func FuzzParsePattern(f *testing.F) {
	for _, seed := range []string{
		`{"eventName":["INSERT"],"dynamodb":{"Keys":{"pk":{"S":[{"prefix":"SCAN#"}]}}}}`,
		`{"a":[{"anything-but":["x",1]},{"numeric":[">",0,"<",9]},null,true]}`, `{"$or":[{"a":[""]},{"b":[{"exists":false}]}]}`,
	} {
		f.Add(seed, `{"eventName":"INSERT","a":[1,{"b":null}]}`)
	}
	f.Fuzz(func(t *testing.T, pattern, event string) {
		p, err := ParsePattern(pattern)
		if err != nil {
			return
		}
		var decoded map[string]any
		if json.Unmarshal([]byte(event), &decoded) != nil {
			return
		}
		if first := p.Matches(decoded); first != p.Matches(decoded) {
			t.Errorf("%s: another answer the second time", pattern)
		}
	})
}
