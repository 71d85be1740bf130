package e2e

import (
	"archive/zip"
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

// maxZip is what a function may bring to a cold start, in bytes.
const maxZip = 8_000_000

// TestFunctionsAreSmall builds each function with the command that sam build runs.
func TestFunctionsAreSmall(t *testing.T) {
	for _, name := range []string{"Ingest", "Digest", "Notify", "Scan", "Dashboard"} {
		dir := t.TempDir()
		build := exec.Command("make", "build-"+name+"Function", "ARTIFACTS_DIR="+dir)
		build.Dir = "../.."
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		bootstrap := filepath.Join(dir, "bootstrap")
		if n := len(packed(t, bootstrap)); n >= maxZip {
			t.Errorf("the zip of %s has %d bytes, must have less than %d", name, n, maxZip)
		} else {
			t.Logf("%s: %d bytes", name, n)
		}
		binary, err := elf.Open(bootstrap)
		if err != nil {
			t.Fatal(err)
		}
		if libraries, err := binary.ImportedLibraries(); err != nil || len(libraries) > 0 || binary.Machine != elf.EM_AARCH64 {
			t.Errorf("%s is for %s and links %q (%v), want a static binary for arm64", name, binary.Machine, libraries, err)
		}
		binary.Close()
	}
}

// atStart is how many allocations the packages of a function may make before main, which is what its cold start waits for and
// a busy machine does not change. Tables of the AWS SDK are most of them (docs/performance.md).
var atStart = map[string]int{"ingest": 14_500, "digest": 7_500, "notify": 9_000, "scan": 19_000, "dashboard": 15_000}

func TestFunctionsDoLittleBeforeMain(t *testing.T) {
	for name, most := range atStart {
		start := exec.Command(function(t, name, "")) // it ends at once: there are no settings
		start.Env = []string{"GODEBUG=inittrace=1"}
		out, _ := start.CombinedOutput()
		packages, allocations := 0, 0
		for _, m := range initialised.FindAllStringSubmatch(string(out), -1) {
			n, err := strconv.Atoi(m[1])
			if err != nil {
				t.Fatal(err)
			}
			packages, allocations = packages+1, allocations+n
		}
		if packages < 50 || allocations > most {
			t.Errorf("function %s: %d packages make %d allocations before main, at most %d", name, packages, allocations, most)
		} else {
			t.Logf("%s: %d packages, %d allocations", name, packages, allocations)
		}
	}
}

// initialised is a line of GODEBUG=inittrace=1 (package runtime).
var initialised = regexp.MustCompile(`(?m)^init \S+ @.*, (\d+) allocs$`)

// packed is a bootstrap as AWS gets it.
func packed(t *testing.T, bootstrap string) []byte {
	t.Helper()
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	header := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate}
	header.SetMode(0o755)
	w, err := archive.CreateHeader(header)
	if err != nil {
		t.Fatal(err)
	}
	binary, err := os.ReadFile(bootstrap)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(binary); err != nil {
		t.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
