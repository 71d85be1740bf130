// Package component tells tests where the real components are that test/provide installs, and where there is room for them.
package component

import (
	"net"
	"os"
	"testing"
)

// Path is what an environment variable of test/provide names: a program, or a folder. Without it the test is skipped with a
// word, or fails where real components are required.
func Path(tb testing.TB, variable string) string {
	tb.Helper()
	if path := os.Getenv(variable); path != "" {
		return path
	}
	message := variable + ` is not set: this test did not run. Say eval "$(test/provide)" to have what it needs.`
	if os.Getenv("SODALITE_REAL") == "required" {
		tb.Fatal(message)
	}
	tb.Skip("SKIPPED: " + message)
	return ""
}

// FreePort is a port of this machine that nobody listens on.
func FreePort(tb testing.TB) int {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
