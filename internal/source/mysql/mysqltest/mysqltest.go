// Package mysqltest starts a throw-away MariaDB server for tests of this and other packages.
package mysqltest

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"

	"github.com/sodalite-dq/sodalite/test/component"
)

// variable names MariaDB's server program.
const variable = "SODALITE_MARIADB"

// Server is a running server on 127.0.0.1. The user suite has the password Password, and all rights on the database suite.
type Server struct{ Port int }

// Password is that of the user suite.
const Password = "open sesame"

// Start runs a server until the test ends. Without MariaDB the test is skipped with a word, or fails where real components are
// required.
func Start(tb testing.TB) *Server {
	tb.Helper()
	program := component.Path(tb, variable)
	dir, err := os.MkdirTemp("", "sodalite-mariadb")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	as := asMySQL(tb, dir)
	data, socket, setup := filepath.Join(dir, "data"), filepath.Join(dir, "socket"), filepath.Join(dir, "setup.sql")
	install := exec.Command("mariadb-install-db", "--no-defaults", "--datadir="+data, "--auth-root-authentication-method=normal", "--skip-test-db")
	install.SysProcAttr, install.Dir = as, dir
	if out, err := install.CombinedOutput(); err != nil {
		tb.Fatalf("mariadb-install-db: %v\n%s", err, out)
	}
	statements := "CREATE DATABASE suite CHARACTER SET utf8mb4;\nCREATE USER suite@'127.0.0.1' IDENTIFIED BY '" + Password + "';\nGRANT ALL ON suite.* TO suite@'127.0.0.1';\n"
	if err := os.WriteFile(setup, []byte(statements), 0o644); err != nil {
		tb.Fatal(err)
	}
	s := &Server{Port: component.FreePort(tb)}
	server := exec.Command(program, "--no-defaults", "--datadir="+data, "--socket="+socket, "--pid-file="+filepath.Join(dir, "pid"), "--bind-address=127.0.0.1", "--port="+strconv.Itoa(s.Port),
		"--init-file="+setup, "--innodb-flush-log-at-trx-commit=0", "--skip-log-bin", "--skip-name-resolve")
	server.SysProcAttr, server.Dir = as, dir
	if err := server.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		_ = server.Wait()
	})
	db := s.open(tb)
	defer db.Close()
	for end := time.Now().Add(60 * time.Second); db.PingContext(tb.Context()) != nil; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatal("MariaDB was not ready within 60 s")
		}
	}
	return s
}

func (s *Server) open(tb testing.TB) *sql.DB {
	tb.Helper()
	db, err := sql.Open("mysql", fmt.Sprintf("suite:%s@tcp(127.0.0.1:%d)/suite?multiStatements=true", Password, s.Port))
	if err != nil {
		tb.Fatal(err)
	}
	return db
}

// Exec runs statements in the database suite.
func (s *Server) Exec(tb testing.TB, statements string) {
	tb.Helper()
	db := s.open(tb)
	defer db.Close()
	if _, err := db.ExecContext(tb.Context(), statements); err != nil {
		tb.Fatal(err)
	}
}

// asMySQL is how the server's programs run: as the user mysql where we are root, which they refuse to be.
func asMySQL(tb testing.TB, dir string) *syscall.SysProcAttr {
	as := &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() != 0 {
		return as
	}
	u, err := user.Lookup("mysql")
	if err != nil {
		tb.Fatal(err)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err1 != nil || err2 != nil {
		tb.Fatalf("user mysql: %v %v", err1, err2)
	}
	as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		tb.Fatal(err)
	}
	return as
}
