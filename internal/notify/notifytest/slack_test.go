package notifytest_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sodalite-dq/sodalite/internal/notify/notifytest"
)

func section(text string) string {
	return fmt.Sprintf(`{"type":"section","text":{"type":"mrkdwn","text":%q}}`, text)
}

func blocks(list ...string) string {
	return `{"text":"t","blocks":[` + strings.Join(list, ",") + `]}`
}

func repeat(n int, block string) string {
	return blocks(strings.Split(strings.Repeat(block+"\n", n)[:n*(len(block)+1)-1], "\n")...)
}

// TestSlackIsStrict: a stand-in that accepts what Slack refuses would prove nothing.
func TestSlackIsStrict(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	header := func(text string) string {
		return fmt.Sprintf(`{"type":"header","text":{"type":"plain_text","text":%q,"emoji":false}}`, text)
	}
	button := func(label, url string) string {
		return fmt.Sprintf(`{"type":"actions","elements":[{"type":"button","text":{"type":"plain_text","text":%q},"url":%q}]}`, label, url)
	}
	for _, c := range []struct {
		name, body string
		want       string
	}{
		{"text only", `{"text":"hello"}`, "ok"},
		{"blocks only", `{"blocks":[` + section("a") + `]}`, "ok"},
		{"neither", `{}`, "no_text"},
		{"empty text", `{"text":""}`, "no_text"},
		{"no JSON", `hello`, "invalid_payload"},
		{"text of a wrong type", `{"text":5}`, "invalid_payload"},
		{"longest text", `{"text":"` + x(40_000) + `"}`, "ok"},
		{"text too long", `{"text":"` + x(40_001) + `"}`, "msg_too_long"},
		{"50 blocks", repeat(50, `{"type":"divider"}`), "ok"},
		{"51 blocks", repeat(51, `{"type":"divider"}`), "invalid_blocks"},
		{"longest section", blocks(section(x(3000))), "ok"},
		{"section too long", blocks(section(x(3001))), "invalid_blocks"},
		{"section too long in UTF-16", blocks(section(strings.Repeat("😀", 1501))), "invalid_blocks"},
		{"empty section", blocks(section("")), "invalid_blocks"},
		{"section without a text", blocks(`{"type":"section"}`), "invalid_blocks"},
		{"section with fields", blocks(`{"type":"section","fields":[{"type":"mrkdwn","text":"a"}]}`), "ok"},
		{"field too long", blocks(`{"type":"section","fields":[{"type":"mrkdwn","text":"` + x(2001) + `"}]}`), "invalid_blocks"},
		{"emoji in mrkdwn", blocks(`{"type":"section","text":{"type":"mrkdwn","text":"a","emoji":true}}`), "invalid_blocks"},
		{"verbatim in plain_text", blocks(`{"type":"section","text":{"type":"plain_text","text":"a","verbatim":true}}`), "invalid_blocks"},
		{"all blocks too long", blocks(section(x(2990)), section(x(2990)), section(x(2990)), section(x(2990))), "msg_blocks_too_long"},
		{"longest header", blocks(header(x(150))), "ok"},
		{"header too long", blocks(header(x(151))), "invalid_blocks"},
		{"header of mrkdwn", blocks(`{"type":"header","text":{"type":"mrkdwn","text":"a"}}`), "invalid_blocks"},
		{"unknown block", blocks(`{"type":"fancy"}`), "invalid_blocks"},
		{"unknown member", blocks(`{"type":"divider","colour":"red"}`), "invalid_blocks"},
		{"member of another kind", blocks(`{"type":"divider","text":{"type":"mrkdwn","text":"a"}}`), "invalid_blocks"},
		{"block id twice", blocks(`{"type":"divider","block_id":"a"}`, `{"type":"divider","block_id":"a"}`), "invalid_blocks"},
		{"context", blocks(`{"type":"context","elements":[{"type":"mrkdwn","text":"a"}]}`), "ok"},
		{"empty context", blocks(`{"type":"context","elements":[]}`), "invalid_blocks"},
		{"button", blocks(button("Open", "https://example.com/")), "ok"},
		{"label too long", blocks(button(x(76), "https://example.com/")), "invalid_blocks"},
		{"button's address too long", blocks(button("Open", "https://example.com/"+x(3000))), "invalid_blocks"},
		{"button to nowhere", blocks(button("Open", "nowhere")), "invalid_blocks"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := notifytest.StartSlack(t)
			got, status := post(t, s.WebhookURL(), c.body)
			if got != c.want || (status == http.StatusOK) != (c.want == "ok") {
				t.Errorf("got %d %s, want %s", status, got, c.want)
			}
			if want := map[bool]int{true: 1}[c.want == "ok"]; s.Count() != want {
				t.Errorf("got %d messages, want %d", s.Count(), want)
			}
		})
	}
	t.Run("wrong token", func(t *testing.T) {
		s := notifytest.StartSlack(t)
		if got, status := post(t, s.URL+"/services/T/B/wrong", `{"text":"a"}`); got != "invalid_token" || status != http.StatusForbidden {
			t.Errorf("got %d %s, want 403 invalid_token", status, got)
		}
	})
}

func post(t *testing.T, url, body string) (string, int) {
	t.Helper()
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatalf("post: %v", err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("read answer: %v", err)
	}
	return string(answer), resp.StatusCode
}
