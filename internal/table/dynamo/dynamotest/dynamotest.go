// Package dynamotest starts DynamoDB Local for tests of this and other packages.
package dynamotest

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/logging"

	"github.com/sodalite-dq/sodalite/internal/table/dynamo"
	"github.com/sodalite-dq/sodalite/test/component"
)

// variable names the folder with the jars of DynamoDB Local.
const variable = "SODALITE_DYNAMODB_LOCAL"

// Start gives the address of DynamoDB Local, one for the test process, which ends with it. Without the jars the test is
// skipped with a word, or fails where real components are required.
func Start(tb testing.TB) (endpoint string) {
	tb.Helper()
	component.Path(tb, variable)
	endpoint, err := local()
	if err != nil {
		tb.Fatal(err)
	}
	return endpoint
}

// Client is a client of the emulator at an endpoint.
func Client(endpoint string) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region: "eu-west-1", BaseEndpoint: &endpoint, Credentials: aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider("test", "test", "")),
		Logger: logging.Nop{}, // the emulator's checksums of error answers are wrong, which the SDK would log
	})
}

// Table makes a fresh table and gives its name.
func Table(tb testing.TB, client *dynamodb.Client) string {
	tb.Helper()
	name := "test-" + strings.ToLower(rand.Text())
	ctx, cancel := context.WithTimeout(tb.Context(), 30*time.Second)
	defer cancel()
	if err := dynamo.Create(ctx, client, name); err != nil {
		tb.Fatal(err)
	}
	return name
}

// lifeline is the emulator's standard input, which stays open as long as this process lives.
//
//lint:ignore U1000 it is held, not used
var lifeline io.Closer

// local starts the emulator once. Its process ends when the test process closes its standard input by ending.
var local = sync.OnceValues(func() (string, error) {
	lib := os.Getenv(variable)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close()
	// A shell outlives us only until its standard input ends, and takes the emulator with it.
	cmd := exec.Command("sh", "-c", `"$@" & pid=$!; cat >/dev/null; kill $pid`, "sh",
		"java", "-Xmx512m", "-Djava.library.path="+lib, "-Dsqlite4java.library.path="+lib, "-cp", filepath.Join(lib, "*"),
		"software.amazon.dynamodb.services.local.main.ServerRunner", "-inMemory", "-sharedDb", "-port", fmt.Sprint(port), "-disableTelemetry")
	if lifeline, err = cmd.StdinPipe(); err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("start DynamoDB Local: %w", err)
	}
	endpoint := fmt.Sprintf("http://127.0.0.1:%d", port)
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if resp, err := http.Get(endpoint); err == nil {
			resp.Body.Close()
			return endpoint, nil
		}
	}
	return "", fmt.Errorf("DynamoDB Local did not answer on %s within 30 s", endpoint)
})
