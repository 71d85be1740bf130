// Package postgrestest starts a throw-away PostgreSQL server for tests of this and other packages.
package postgrestest

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/test/component"
)

// variable names the folder with PostgreSQL's server programs.
const variable = "SODALITE_POSTGRES_BIN"

// Server is a running server on 127.0.0.1. Users need no password, but for one named locked, if it is created.
type Server struct {
	Port int
	bin  string
}

// Start runs a server until the test ends. Without PostgreSQL the test is skipped with a word, or fails where real components
// are required.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{bin: component.Path(tb, variable), Port: component.FreePort(tb)}
	dir, err := os.MkdirTemp("", "sodalite-pg")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	as := asPostgres(tb, dir)
	command := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(s.bin, name), args...)
		cmd.SysProcAttr, cmd.Dir = as, dir
		return cmd
	}
	if out, err := command("initdb", "-D", dir, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync").CombinedOutput(); err != nil {
		tb.Fatalf("initdb: %v\n%s", err, out)
	}
	hba := filepath.Join(dir, "pg_hba.conf")
	rules, err := os.ReadFile(hba)
	if err == nil {
		err = os.WriteFile(hba, append([]byte("host all locked all scram-sha-256\n"), rules...), 0o600)
	}
	if err != nil {
		tb.Fatal(err)
	}
	server := command("postgres", "-D", dir, "-p", strconv.Itoa(s.Port), "-k", dir, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "timezone=UTC")
	if err := server.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGINT) // fast shutdown
		_ = server.Wait()
	})
	for end := time.Now().Add(30 * time.Second); exec.Command(filepath.Join(s.bin, "pg_isready"), "-h", "127.0.0.1", "-p", strconv.Itoa(s.Port)).Run() != nil; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatal("PostgreSQL was not ready within 30 s")
		}
	}
	return s
}

// asPostgres is how the server's programs run: as the user postgres where we are root, which they refuse to be.
func asPostgres(tb testing.TB, dir string) *syscall.SysProcAttr {
	as := &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() != 0 {
		return as
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		tb.Fatal(err)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err1 != nil || err2 != nil {
		tb.Fatalf("user postgres: %v %v", err1, err2)
	}
	as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		tb.Fatal(err)
	}
	return as
}

// Exec runs statements in the database postgres.
func (s *Server) Exec(tb testing.TB, sql string) {
	tb.Helper()
	cmd := exec.Command(filepath.Join(s.bin, "psql"), "-h", "127.0.0.1", "-p", strconv.Itoa(s.Port), "-U", "postgres", "-v", "ON_ERROR_STOP=1", "-q", "-f", "-", "postgres")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	go func() { _, _ = stdin.Write([]byte(sql)); _ = stdin.Close() }() // psql tells if it did not get all
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("psql: %v\n%s", err, out)
	}
}

// Query gives what a statement finds, as psql prints it without heads and spaces.
func (s *Server) Query(tb testing.TB, sql string) string {
	tb.Helper()
	cmd := exec.Command(filepath.Join(s.bin, "psql"), "-h", "127.0.0.1", "-p", strconv.Itoa(s.Port), "-U", "postgres", "-v", "ON_ERROR_STOP=1", "-At", "-c", sql, "postgres")
	out, err := cmd.CombinedOutput()
	if err != nil {
		tb.Fatalf("psql: %v\n%s", err, out)
	}
	return strings.TrimSpace(string(out))
}
