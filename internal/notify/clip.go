package notify

import "sort"

// Clip returns the message with as many of its first checks as fits finds room for, and counts the rest as omitted. fits
// must not turn true again as checks are added.
func Clip(m Message, fits func(Message) bool) Message {
	total := len(m.Checks)
	n := sort.Search(total, func(n int) bool { return !fits(m.first(n + 1)) })
	return m.first(n)
}

func (m Message) first(n int) Message {
	m.Omitted += len(m.Checks) - n
	m.Checks = m.Checks[:n]
	return m
}
