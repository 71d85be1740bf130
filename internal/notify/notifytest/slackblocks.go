package notifytest

import (
	"bytes"
	"encoding/json"
	"net/url"
	"unicode/utf16"
)

// Slack's limits (docs.slack.dev, Block Kit). The limit of all blocks together is not documented; see docs/decisions.
const (
	slackMaxText      = 40_000
	slackMaxBlocks    = 50
	slackMaxAllBlocks = 12_000
	slackMaxHeader    = 150
	slackMaxSection   = 3000
	slackMaxField     = 2000
	slackMaxFields    = 10
	slackMaxContext   = 10
	slackMaxActions   = 25
	slackMaxButton    = 75
	slackMaxURL       = 3000
	slackMaxID        = 255
	slackMaxValue     = 2000
)

// SlackBlock is a block of the kinds that the stand-in knows: header, section, divider, context, actions.
type SlackBlock struct {
	Type      string         `json:"type"`
	BlockID   string         `json:"block_id"`
	Text      *SlackText     `json:"text"`
	Fields    []SlackText    `json:"fields"`
	Elements  []SlackElement `json:"elements"`
	Accessory *SlackElement  `json:"accessory"`
}

// SlackText is a text object.
type SlackText struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Emoji    *bool  `json:"emoji"`
	Verbatim *bool  `json:"verbatim"`
}

// SlackElement is an element of a context block (a text), or of an actions block (a button).
type SlackElement struct {
	Type     string          `json:"type"`
	Text     json.RawMessage `json:"text"`
	Emoji    *bool           `json:"emoji"`
	Verbatim *bool           `json:"verbatim"`
	ActionID string          `json:"action_id"`
	URL      string          `json:"url"`
	Value    string          `json:"value"`
	Style    string          `json:"style"`
}

func (b SlackBlock) texts() []SlackText {
	var list []SlackText
	if b.Text != nil {
		list = append(list, *b.Text)
	}
	list = append(list, b.Fields...)
	for _, e := range b.Elements {
		if t, ok := e.text(); ok {
			list = append(list, t)
		}
	}
	return list
}

// text is the element itself, if it is a text of a context block.
func (e SlackElement) text() (SlackText, bool) {
	t := SlackText{Type: e.Type, Emoji: e.Emoji, Verbatim: e.Verbatim}
	ok := (e.Type == "mrkdwn" || e.Type == "plain_text") && json.Unmarshal(e.Text, &t.Text) == nil
	return t, ok
}

// slackLength counts UTF-16 units, the strictest way in which Slack may count characters.
func slackLength(s string) int { return len(utf16.Encode([]rune(s))) }

// judgeBlocks is Slack's error code for the blocks, or "".
func judgeBlocks(blocks []json.RawMessage) string {
	if len(blocks) > slackMaxBlocks {
		return "invalid_blocks"
	}
	total, ids := 0, map[string]bool{}
	for _, raw := range blocks {
		var b SlackBlock
		d := json.NewDecoder(bytes.NewReader(raw))
		d.DisallowUnknownFields()
		if d.Decode(&b) != nil || !b.valid() || b.BlockID != "" && ids[b.BlockID] {
			return "invalid_blocks"
		}
		ids[b.BlockID] = true
		total += slackLength(string(raw)) + 1
	}
	if total > slackMaxAllBlocks {
		return "msg_blocks_too_long"
	}
	return ""
}

func (b SlackBlock) valid() bool {
	if len(b.BlockID) > slackMaxID {
		return false
	}
	switch b.Type {
	case "header":
		return b.only("text") && b.Text != nil && b.Text.Type == "plain_text" && b.Text.within(slackMaxHeader)
	case "section":
		return b.validSection()
	case "divider":
		return b.only()
	case "context":
		return b.only("elements") && allElements(b.Elements, slackMaxContext, SlackElement.validText)
	case "actions":
		return b.only("elements") && allElements(b.Elements, slackMaxActions, SlackElement.validButton)
	}
	return false
}

// only tells whether no members but those named are there.
func (b SlackBlock) only(names ...string) bool {
	there := map[string]bool{
		"text": b.Text != nil, "fields": b.Fields != nil, "elements": b.Elements != nil, "accessory": b.Accessory != nil,
	}
	for _, name := range names {
		delete(there, name)
	}
	for _, is := range there {
		if is {
			return false
		}
	}
	return true
}

func (b SlackBlock) validSection() bool {
	if b.Elements != nil || b.Text == nil && len(b.Fields) == 0 || len(b.Fields) > slackMaxFields {
		return false
	}
	if b.Text != nil && !b.Text.within(slackMaxSection) {
		return false
	}
	for _, f := range b.Fields {
		if !f.within(slackMaxField) {
			return false
		}
	}
	return b.Accessory == nil || b.Accessory.validButton()
}

// within tells whether the text object is well formed and has 1 to n characters.
func (t SlackText) within(n int) bool {
	switch t.Type {
	case "plain_text":
		if t.Verbatim != nil {
			return false
		}
	case "mrkdwn":
		if t.Emoji != nil {
			return false
		}
	default:
		return false
	}
	return t.Text != "" && slackLength(t.Text) <= n
}

func allElements(list []SlackElement, most int, valid func(SlackElement) bool) bool {
	for _, e := range list {
		if !valid(e) {
			return false
		}
	}
	return len(list) > 0 && len(list) <= most
}

func (e SlackElement) validText() bool {
	t, ok := e.text()
	return ok && t.within(slackMaxSection) && e.ActionID == "" && e.URL == "" && e.Value == "" && e.Style == ""
}

func (e SlackElement) validButton() bool {
	var label SlackText
	if e.Type != "button" || json.Unmarshal(e.Text, &label) != nil || label.Type != "plain_text" || !label.within(slackMaxButton) {
		return false
	}
	if e.URL != "" {
		if u, err := url.Parse(e.URL); err != nil || u.Host == "" || slackLength(e.URL) > slackMaxURL {
			return false
		}
	}
	return len(e.ActionID) <= slackMaxID && slackLength(e.Value) <= slackMaxValue &&
		(e.Style == "" || e.Style == "primary" || e.Style == "danger")
}
