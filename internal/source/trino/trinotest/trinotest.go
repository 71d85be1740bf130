// Package trinotest starts a throw-away Trino server for tests of this and other packages.
package trinotest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/test/component"
)

// variable names the folder with Trino's libraries (lib) and plugins (plugin).
const variable = "SODALITE_TRINO"

// Server is a running server on 127.0.0.1, with the catalog memory. Users need nothing on its HTTP port. On its HTTPS port,
// whose certificate is that of package httptest, they need a token.
type Server struct {
	HTTP, HTTPS int
	Token       string // of the user suite, a JSON web token
}

// program starts the server's main class, which Trino ships without a main method but in its own distribution.
const program = `class Main { public static void main(String[] args) { new io.trino.server.Server().start("test"); } }`

const config = `node.environment=test
node.id=test
node.internal-address=127.0.0.1
coordinator=true
node-scheduler.include-coordinator=true
discovery.uri=http://127.0.0.1:%[1]d
http-server.http.port=%[1]d
http-server.https.enabled=true
http-server.https.port=%[2]d
http-server.https.keystore.path=%[3]s/keys.pem
http-server.authentication.type=JWT
http-server.authentication.jwt.key-file=%[3]s/token.key
http-server.authentication.allow-insecure-over-http=true
internal-communication.shared-secret=test
catalog.config-dir=%[3]s/catalog
plugin.dir=%[4]s/plugin
query.max-memory=200MB
query.max-memory-per-node=100MB
`

// Start runs a server until the test ends. Without Trino the test is skipped with a word, or fails where real components are
// required.
func Start(tb testing.TB) *Server {
	tb.Helper()
	home := component.Path(tb, variable)
	dir := tb.TempDir()
	s := &Server{HTTP: component.FreePort(tb), HTTPS: component.FreePort(tb)}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	s.Token = token(key)
	for name, text := range map[string]string{
		"Main.java": program, "config.properties": fmt.Sprintf(config, s.HTTP, s.HTTPS, dir, home), "catalog/memory.properties": "connector.name=memory\n",
		"keys.pem": keys(tb), "token.key": base64.StdEncoding.EncodeToString(key),
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	s.run(tb, dir, home)
	return s
}

func (s *Server) run(tb testing.TB, dir, home string) {
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		tb.Fatal(err)
	}
	defer log.Close()
	server := exec.Command("java", "-Xmx768m", "-XX:+UseSerialGC", "-Djdk.attach.allowAttachSelf=true", "-Dconfig="+dir+"/config.properties", "-cp", home+"/lib/*", dir+"/Main.java")
	server.Dir, server.Stdout, server.Stderr = dir, log, log
	if err := server.Start(); err != nil {
		tb.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = server.Wait(); close(ended) }() // it is killed
	tb.Cleanup(func() { _ = server.Process.Kill(); <-ended })
	for end := time.Now().Add(2 * time.Minute); !s.ready(); time.Sleep(200 * time.Millisecond) {
		select {
		case <-ended:
			end = time.Time{}
		default:
		}
		if time.Now().After(end) {
			text, err := os.ReadFile(log.Name())
			tb.Fatalf("Trino did not start: %v\n%s", err, text[max(0, len(text)-3000):])
		}
	}
}

// ready tells whether the server takes statements.
func (s *Server) ready() bool {
	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/v1/info", s.HTTP))
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	var info struct{ Starting bool }
	return json.NewDecoder(resp.Body).Decode(&info) == nil && !info.Starting
}

// keys is the certificate of package httptest, and its key, as PEM.
func keys(tb testing.TB) string {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	key, err := x509.MarshalPKCS8PrivateKey(s.TLS.Certificates[0].PrivateKey)
	if err != nil {
		tb.Fatal(err)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})) + string(certificate)
}

// token is that of the user suite, signed with HMAC-SHA256 (RFC 7519).
func token(key []byte) string {
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"HS256"}`)) + "." + encode([]byte(`{"sub":"suite"}`))
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(signed))
	return signed + "." + encode(mac.Sum(nil))
}
