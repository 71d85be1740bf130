package notifytest

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
)

// The topics of the stand-in.
const (
	TopicARN     = "arn:aws:sns:eu-west-1:123456789012:alerts"
	FIFOTopicARN = "arn:aws:sns:eu-west-1:123456789012:alerts.fifo"
	// SNSSecret is the secret key of the stand-in's client.
	SNSSecret = "snsSecretAccessKey"
)

// SNS stands in for Amazon SNS: Publish over the query protocol, with SNS's rules on topics, subjects, attributes and sizes.
type SNS struct {
	server
	messages log[SNSMessage]
	mu       sync.Mutex
	seen     map[string]string // deduplication id to message id
}

// SNSMessage is a published message.
type SNSMessage struct {
	ID         string
	TopicARN   string
	Subject    string
	Message    string
	Attributes map[string]SNSAttribute
	GroupID    string
	// DeduplicationID is of FIFO topics, which show repeats once.
	DeduplicationID string
}

// SNSAttribute is a message attribute.
type SNSAttribute struct{ Type, Value string }

// StartSNS starts a stand-in that ends with the test.
func StartSNS(tb testing.TB) *SNS {
	tb.Helper()
	s := &SNS{seen: map[string]string{}}
	s.start(tb, s.accept)
	return s
}

// Client is a real SNS client of the stand-in, which does not retry by itself.
func (s *SNS) Client() *sns.Client {
	return sns.New(sns.Options{
		Region:       "eu-west-1",
		BaseEndpoint: aws.String(s.URL),
		Credentials:  credentials.NewStaticCredentialsProvider("AKIDTEST", SNSSecret, ""),
		Retryer:      retry.AddWithMaxAttempts(retry.NewStandard(), 1),
	})
}

// Messages are the published messages in the order of arrival.
func (s *SNS) Messages() []SNSMessage { return s.messages.all() }

// Count is the number of published messages.
func (s *SNS) Count() int { return len(s.messages.all()) }

// Wait returns the messages when there are n, and fails the test if that takes too long.
func (s *SNS) Wait(tb testing.TB, n int, timeout time.Duration) []SNSMessage {
	tb.Helper()
	s.wait(tb, timeout, "SNS messages", func() bool { return s.Count() >= n })
	return s.Messages()
}

// SNSError is a failure with an error code of SNS.
func SNSError(status int, code, message string) Failure {
	type body struct {
		XMLName xml.Name `xml:"http://sns.amazonaws.com/doc/2010-03-31/ ErrorResponse"`
		Type    string   `xml:"Error>Type"`
		Code    string   `xml:"Error>Code"`
		Message string   `xml:"Error>Message"`
		Request string   `xml:"RequestId"`
	}
	fault := "Sender"
	if status >= 500 {
		fault = "Receiver"
	}
	raw, err := xml.Marshal(body{Type: fault, Code: code, Message: message, Request: "00000000-0000-0000-0000-000000000000"})
	if err != nil {
		panic(err) // strings always marshal
	}
	return Failure{Status: status, Header: http.Header{"Content-Type": {"text/xml"}}, Body: string(raw)}
}

func (s *SNS) accept(w http.ResponseWriter, r *http.Request, body []byte) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		f := SNSError(http.StatusBadRequest, "MalformedQueryString", "not a form")
		s.fail(w, r, &f)
		return
	}
	m, refusal := s.read(r, form)
	if refusal != nil {
		s.fail(w, r, refusal)
		return
	}
	id := s.publish(m)
	w.Header().Set("Content-Type", "text/xml")
	_, _ = fmt.Fprintf(w, `<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>%s</MessageId>`+
		`</PublishResult><ResponseMetadata><RequestId>00000000-0000-0000-0000-000000000001</RequestId></ResponseMetadata></PublishResponse>`, id)
}

// publish keeps the message, once for each deduplication id.
func (s *SNS) publish(m SNSMessage) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id, repeated := s.seen[m.DeduplicationID]; repeated && m.DeduplicationID != "" {
		return id
	}
	m.ID = fmt.Sprintf("00000000-0000-4000-8000-%012d", s.Count()+1)
	s.seen[m.DeduplicationID] = m.ID
	s.messages.add(m)
	return m.ID
}

func (s *SNS) read(r *http.Request, form url.Values) (SNSMessage, *Failure) {
	m := SNSMessage{
		TopicARN: form.Get("TopicArn"), Subject: form.Get("Subject"), Message: form.Get("Message"),
		GroupID: form.Get("MessageGroupId"), DeduplicationID: form.Get("MessageDeduplicationId"),
		Attributes: map[string]SNSAttribute{},
	}
	refuse := func(status int, code, message string) (SNSMessage, *Failure) {
		f := SNSError(status, code, message)
		return SNSMessage{}, &f
	}
	switch {
	case !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=AKIDTEST/"):
		return refuse(http.StatusForbidden, "InvalidClientTokenId", "The security token included in the request is invalid")
	case form.Get("Action") != "Publish":
		return refuse(http.StatusBadRequest, "InvalidAction", "Could not find operation")
	case m.TopicARN != TopicARN && m.TopicARN != FIFOTopicARN:
		return refuse(http.StatusNotFound, "NotFound", "Topic does not exist")
	}
	for i := 1; form.Has("MessageAttributes.entry." + strconv.Itoa(i) + ".Name"); i++ {
		entry := "MessageAttributes.entry." + strconv.Itoa(i)
		m.Attributes[form.Get(entry+".Name")] = SNSAttribute{form.Get(entry + ".Value.DataType"), form.Get(entry + ".Value.StringValue")}
	}
	if wrong := m.wrong(form.Has("Subject")); wrong != "" {
		return refuse(http.StatusBadRequest, "InvalidParameter", "Invalid parameter: "+wrong)
	}
	return m, nil
}

const snsMaxMessage = 256 << 10

var (
	snsSubject   = regexp.MustCompile(`^[!-~][ -~]{0,98}$`)
	snsAttribute = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,256}$`)
	snsToken     = regexp.MustCompile("^[A-Za-z0-9!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]{1,128}$")
)

// wrong says which rule of SNS the message breaks, "" for none.
func (m SNSMessage) wrong(hasSubject bool) string {
	size := len(m.Message)
	for name, a := range m.Attributes {
		size += len(name) + len(a.Type) + len(a.Value)
		if why := a.wrong(name); why != "" {
			return why
		}
	}
	fifo := m.TopicARN == FIFOTopicARN
	switch {
	case m.Message == "":
		return "Empty message"
	case size > snsMaxMessage:
		return "Message too long"
	case !xmlText(m.Message):
		return "Message has characters that are not allowed"
	case hasSubject && !snsSubject.MatchString(m.Subject):
		return "Subject"
	case fifo && !snsToken.MatchString(m.GroupID):
		return "The MessageGroupId parameter is required for FIFO topics"
	case fifo && !snsToken.MatchString(m.DeduplicationID):
		return "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
	case !fifo && m.DeduplicationID != "":
		return "The request includes MessageDeduplicationId parameter that is not valid for this topic type"
	}
	return ""
}

func (a SNSAttribute) wrong(name string) string {
	var list []any
	lower := strings.ToLower(name)
	switch {
	case !snsAttribute.MatchString(name), strings.HasPrefix(lower, "aws."), strings.HasPrefix(lower, "amazon."),
		strings.HasPrefix(name, "."), strings.HasSuffix(name, "."), strings.Contains(name, ".."):
		return "The message attribute name " + name + " is not valid"
	case a.Value == "":
		return "The message attribute " + name + " must contain a non-empty value"
	case !xmlText(a.Value):
		return "The message attribute " + name + " has characters that are not allowed"
	case a.Type == "String":
		return ""
	case a.Type == "String.Array" && json.Unmarshal([]byte(a.Value), &list) == nil:
		return ""
	}
	return "The message attribute " + name + " has an invalid type or value"
}

// xmlText tells whether s has only characters of XML 1.0, which is what SNS and SQS take.
func xmlText(s string) bool {
	for _, r := range s {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return false
		}
	}
	return true
}
