package examples_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// TestTheTutorialGoesFromAnEmptyFolderToARow does what docs/adapters.md tells: saves its adapter, builds it by
// its command, checks it and reports with it.
func TestTheTutorialGoesFromAnEmptyFolderToARow(t *testing.T) {
	t.Parallel()
	sources, commands := servertest.CodeOf(t, "adapters.md", "c"), servertest.CodeOf(t, "adapters.md", "sh")
	// The last two are about AWS.
	if len(sources) != 1 || len(commands) != 5 {
		t.Fatalf("docs/adapters.md has %d blocks of C and %d of commands: 1 and 5 are known here", len(sources), len(commands))
	}
	home := t.TempDir()
	folder := filepath.Join(home, "mylist")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "list.c"), []byte(sources[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "build.sh"), []byte(strings.Replace(commands[0], "-o list.wasm list.c", `-o "$1" "$(dirname "$0")/list.c"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	mylist := example{folder: folder, needs: resque.needs, anywhere: true}
	server := servertest.Redis(t)

	// The check command, and what it says.
	wasm := mylist.module(t)
	if err := os.WriteFile(filepath.Join(folder, "list.wasm"), wasm, 0o600); err != nil {
		t.Fatal(err)
	}
	programs := strings.NewReplacer(
		"redis-cli ", "redis-cli -p "+server.Port()+" ",
		"redis://127.0.0.1:6379", server.URL,
		"go run ./probes/wasmhost/check", servertest.Build(t, "probes/wasmhost/check"),
		"go run ./functions/redis-reporter", servertest.Build(t, "functions/redis-reporter"),
		"go run ./scripts/local", "true", // it would stay
	)
	run := func(block string) string {
		t.Helper()
		cmd := exec.Command("sh", "-euc", programs.Replace(block))
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s%v\n%s", block, err, out)
		}
		return string(out)
	}
	if said := run(commands[1]); !strings.Contains(said, "imports    nothing") || !strings.Contains(said, `"waiting": 3`) {
		t.Errorf("the check says\n%s", said)
	}
	said := run(commands[2])
	_, document, _ := strings.Cut(said, "{")
	document, _, _ = strings.Cut("{"+document, "\n}")
	s, problems, err := protocol.DecodeSnapshot([]byte(document + "}"))
	if err != nil || len(problems) > 0 || len(s.Queues) != 1 || s.Queues[0].Name != "jobs" || s.Queues[0].Metrics.Waiting != 3 || s.Queues[0].DriverName() != "my-list" {
		t.Errorf("the reporter says %v, %v\n%s", err, problems, said)
	}

	// What the page says of settings and refusals.
	for want, settings := range map[string]adapter.Settings{
		"key is not set: it takes the key of a list":     nil,
		"it takes the setting key, and no other":         {"list": "jobs"},
		"a setting is too long":                          {"key": strings.Repeat("x", 256)},
		"key takes ASCII without quotes and backslashes": {"key": `jo"bs`},
	} {
		if _, _, err := mylist.open(t, settings); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v: %v, want %q", settings, err, want)
		}
	}
	server.Client.Set(t.Context(), "text", "x", 0)
	if s, err := mylist.poller(t, server.Client, adapter.Settings{"key": "text"}).Poll(t.Context(), noon); err == nil || !strings.HasPrefix(err.Error(), "LLEN text: WRONGTYPE") {
		t.Errorf("%+v, %v", s, err)
	}
	key := strings.Repeat("k", 255)
	server.Client.RPush(t.Context(), key, "x")
	if diff := cmp.Diff(map[string]string{key: "1 - - -"}, counts(mustPoll(t, mylist.poller(t, server.Client, adapter.Settings{"key": key}), noon))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
