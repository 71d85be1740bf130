package quick

import "strings"

type tokenKind uint8

const (
	end tokenKind = iota
	word
	quotedWord
	number
	text
	sign
)

type token struct {
	kind tokenKind
	text string // of words and texts without quotes
	at   int    // its offset in the statement
}

// is tells whether the token is a keyword or a sign.
func (t token) is(s string) bool {
	return (t.kind == word || t.kind == sign) && strings.EqualFold(t.text, s)
}

// lex splits a statement into tokens, the last of which is an end. Comments and signs that are unknown are refused.
func lex(sql string) ([]token, error) {
	var out []token
	for i := 0; i < len(sql); {
		c := sql[i]
		switch {
		case c == ' ' || c == '\n' || c == '\t' || c == '\r':
			i++
		case c == '\'' || c == '"':
			s, n, ok := delimited(sql[i:], c)
			if !ok {
				return nil, ErrUnsupported
			}
			kind := text
			if c == '"' {
				kind = quotedWord
			}
			out = append(out, token{kind, s, i})
			i += n
		case isDigit(c) || c == '.' && i+1 < len(sql) && isDigit(sql[i+1]):
			n := numberLength(sql[i:])
			out = append(out, token{number, sql[i : i+n], i})
			i += n
		case isLetter(c):
			n := 1
			for i+n < len(sql) && (isLetter(sql[i+n]) || isDigit(sql[i+n])) {
				n++
			}
			out = append(out, token{word, sql[i : i+n], i})
			i += n
		default:
			n := signLength(sql[i:])
			if n == 0 {
				return nil, ErrUnsupported
			}
			out = append(out, token{sign, sql[i : i+n], i})
			i += n
		}
	}
	return append(out, token{kind: end, at: len(sql)}), nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isLetter(c byte) bool { return c == '_' || c|32 >= 'a' && c|32 <= 'z' || c >= 0x80 }

// delimited reads what is between quotes; doubled ones stand for themselves.
func delimited(s string, quote byte) (_ string, length int, ok bool) {
	for i := 1; i < len(s); i++ {
		if s[i] != quote {
			continue
		}
		if i+1 < len(s) && s[i+1] == quote {
			i++
			continue
		}
		q := string(quote)
		return strings.ReplaceAll(s[1:i], q+q, q), i + 1, true
	}
	return "", 0, false
}

func numberLength(s string) int {
	n := 0
	for n < len(s) && (isDigit(s[n]) || s[n] == '.' || s[n]|32 == 'e' || (s[n] == '-' || s[n] == '+') && s[n-1]|32 == 'e') {
		n++
	}
	return n
}

func signLength(s string) int {
	for _, two := range []string{"<>", "!=", "<=", ">=", "==", "||", "--", "/*"} {
		if strings.HasPrefix(s, two) {
			if two == "--" || two == "/*" || two == "||" {
				return 0
			}
			return 2
		}
	}
	if strings.IndexByte("()<>=+-*/,.", s[0]) >= 0 {
		return 1
	}
	return 0
}
