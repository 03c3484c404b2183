package main

import (
	"bytes"
	"compress/gzip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/gravito-framework/pulse/internal/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

// TestTheModuleIsSmall: a host compiles all of it before it can run any of it. Of its 3.2 MB an empty
// module of Go's has 1.8; 0.35 more are package time, which the contract of an adapter is made of.
func TestTheModuleIsSmall(t *testing.T) {
	t.Parallel()
	const most, mostCompressed = 3_300_000, 1_000_000 // bytes
	wasm := servertest.Adapters(t)
	var compressed bytes.Buffer
	w, err := gzip.NewWriterLevel(&compressed, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(wasm); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if len(wasm) > most || compressed.Len() > mostCompressed {
		t.Errorf("it has %d bytes, compressed %d: at most %d and %d; what is new in go list -deps ./probes/wasm?",
			len(wasm), compressed.Len(), most, mostCompressed)
	}
	t.Logf("%d bytes, compressed %d", len(wasm), compressed.Len())
}

// TestTheModuleLinksNothingLarge: to import one of these is enough to have half a megabyte of it, called
// or not, since its variables are set when a program starts.
func TestTheModuleLinksNothingLarge(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("go", "list", "-deps", "./probes/wasm")
	cmd.Dir = servertest.Root()
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	linked := strings.Fields(string(out))
	if !slices.Contains(linked, "github.com/gravito-framework/pulse/probes/bullmq") {
		t.Fatalf("this is not what the module links: %v", linked)
	}
	for _, large := range []string{"encoding/json", "fmt", "io/fs", "log", "os", "reflect", "regexp", "runtime/debug", "sort"} {
		if slices.Contains(linked, large) {
			t.Errorf("it links %s", large)
		}
	}
}
