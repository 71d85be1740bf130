// Package sns publishes failed checks to an Amazon SNS topic: a JSON message with attributes that subscriptions filter on.
//
// It owns the message's schema (message.go), SNS's rules on attributes and sizes (attributes.go), and what an error of
// SNS means (errors.go). Whether and when to send is left to package notify.
package sns

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/notify"
)

// Publisher is the part of the SNS client that is used.
type Publisher interface {
	Publish(ctx context.Context, in *sns.PublishInput, options ...func(*sns.Options)) (*sns.PublishOutput, error)
}

// Sender publishes to one topic.
type Sender struct {
	client Publisher
	topic  string
}

var _ notify.Sender = (*Sender)(nil)

// maxARN is an upper bound of a topic's ARN, whose name has at most 256 characters.
const maxARN = 400

var topicPattern = regexp.MustCompile(`^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+(\.fifo)?$`)

// CheckTopicARN tells what is wrong with a topic's ARN.
func CheckTopicARN(arn string) error {
	if len(arn) > maxARN || !topicPattern.MatchString(arn) {
		return fmt.Errorf("%q is not the ARN of an SNS topic, such as arn:aws:sns:eu-west-1:123456789012:name", arn)
	}
	return nil
}

// TopicRegion is the region in a topic's ARN, "" if it has none. The client must be of that region.
func TopicRegion(arn string) string {
	parts := strings.Split(arn, ":")
	if len(parts) < 6 {
		return ""
	}
	return parts[3]
}

// New makes a sender of a client of the topic's region.
func New(client Publisher, topicARN string) (*Sender, error) {
	if err := CheckTopicARN(topicARN); err != nil {
		return nil, err
	}
	return &Sender{client: client, topic: topicARN}, nil
}

// Send publishes the message. The receipt is SNS's message id.
func (s *Sender) Send(ctx context.Context, m notify.Message) (notify.Receipt, error) {
	in, err := s.input(m)
	if err != nil {
		return notify.Receipt{}, &notify.SendError{Reason: notify.Refused, Err: fmt.Errorf("write sns message: %w", err)}
	}
	out, err := s.client.Publish(ctx, in)
	if err != nil {
		return notify.Receipt{}, classify(ctx, err)
	}
	return notify.Receipt{ID: aws.ToString(out.MessageId)}, nil
}

func (s *Sender) input(m notify.Message) (*sns.PublishInput, error) {
	attributes := attributesOf(m)
	body, err := render(m, maxMessage-attributes.size())
	if err != nil {
		return nil, err
	}
	in := &sns.PublishInput{
		TopicArn:          &s.topic,
		Subject:           aws.String(subject(m)),
		Message:           aws.String(printable(string(body))),
		MessageAttributes: attributes,
	}
	if strings.HasSuffix(s.topic, ".fifo") {
		in.MessageGroupId = aws.String(dq.DefinitionID(m.Definition))
		in.MessageDeduplicationId = aws.String(m.ID)
	}
	return in, nil
}

// maxSubject is SNS's limit: fewer than 100 characters.
const maxSubject = 99

// subject is for e-mail subscribers. SNS wants printable ASCII that does not begin with a space, on one line.
func subject(m notify.Message) string {
	ascii := strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\r', r == '\t':
			return ' '
		case r < ' ' || r > '~':
			return '?'
		}
		return r
	}, m.Headline()+" ("+m.Definition+")")
	if len(ascii) > maxSubject {
		ascii = ascii[:maxSubject-3] + "..."
	}
	return ascii
}
