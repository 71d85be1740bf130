package slack

import (
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/notify"
)

// Slack's limits. Lengths are of the text as sent, with its escapes; they are counted in UTF-16 units, the largest of
// the ways in which Slack may count characters.
const (
	maxBlocks  = 50
	maxHeader  = 150
	maxSection = 3000
	// maxURL is our own bound of a link; a longer one is left out. (Slack's is 3000, a whole section.)
	maxURL = 1000
	// maxAllBlocks bounds all blocks together, as JSON. Slack documents no such limit, but refuses messages with
	// msg_blocks_too_long from about 12,000 to 13,200 characters on.
	maxAllBlocks = 10_000
	// maxText is our own bound of the text, which Slack cuts at 40,000 characters: it is read in a notification.
	maxText = 3000
)

// payload is what an incoming webhook takes.
type payload struct {
	Text        string  `json:"text"`
	Blocks      []block `json:"blocks,omitempty"`
	UnfurlLinks bool    `json:"unfurl_links"`
	UnfurlMedia bool    `json:"unfurl_media"`
}

// block is a header or a section, the only kinds used here.
type block struct {
	Type string `json:"type"`
	Text *text  `json:"text"`
}

type text struct {
	Type string `json:"type"`
	Text string `json:"text"`
	// Verbatim keeps Slack from making links and mentions of bare words, in mrkdwn only.
	Verbatim *bool `json:"verbatim,omitempty"`
	// Emoji is for plain_text only: false keeps :words: as they are.
	Emoji *bool `json:"emoji,omitempty"`
}

func header(s string) block {
	no := false
	return block{Type: "header", Text: &text{Type: "plain_text", Text: fit(s, maxHeader), Emoji: &no}}
}

func section(mrkdwn string) block {
	yes := true
	return block{Type: "section", Text: &text{Type: "mrkdwn", Text: mrkdwn, Verbatim: &yes}}
}

// size is the block's length as JSON, with the comma after it.
func (b block) size() int {
	raw, err := notify.JSON(b)
	if err != nil {
		return maxAllBlocks
	}
	return length(string(raw)) + 1
}

// length counts UTF-16 units.
func length(s string) int {
	n := 0
	for _, r := range s {
		n += max(1, utf16.RuneLen(r))
	}
	return n
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// oneLine makes one space of each run of white space and control characters.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "�"), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
}

// fit makes a text of strangers safe: no links, no mentions (<!channel>), on one line, cut so that it has at most n
// characters with its escapes.
func fit(s string, n int) string {
	s = dq.Truncate(oneLine(s[:min(len(s), 16*n)]), n)
	for limit := n; limit > 0; limit-- {
		if escaped := escaper.Replace(dq.Truncate(s, limit)); length(escaped) <= n {
			return escaped
		}
	}
	return ""
}

// link is a label that leads to a page, or the label alone if there is no page. The label must be escaped.
func link(url, label string) string {
	if url == "" || length(url) > maxURL || strings.ContainsAny(url, "<>|") {
		return label
	}
	return "<" + strings.ReplaceAll(url, "&", "&amp;") + "|" + strings.ReplaceAll(label, "|", "¦") + ">"
}
