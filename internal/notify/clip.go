package notify

import "github.com/sodalite-dq/sodalite/internal/dq"

// Clip returns the message with as many of its first checks as fit room bytes, and counts the rest as omitted. size is a
// check's bytes in the message.
func Clip(m Message, room int, size func(dq.AlertCheck) (int, error)) (Message, error) {
	for i, c := range m.Checks {
		n, err := size(c)
		if err != nil {
			return Message{}, err
		}
		if room -= n; room < 0 {
			m.Omitted += len(m.Checks) - i
			m.Checks = m.Checks[:i]
			break
		}
	}
	return m, nil
}
