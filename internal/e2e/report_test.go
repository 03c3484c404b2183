package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/protocol"
)

// TestSnippetsReport runs each program of docs/report.md as its reader would, and reads what it reported.
func TestSnippetsReport(t *testing.T) {
	t.Parallel()
	for language, c := range map[string]struct {
		command []string // before the file that has the snippet
		install string
		ready   []string // succeeds where the language's client of Redis is there
	}{
		"sh":     {[]string{"sh", "-eu"}, "apt-get install redis-tools", []string{"redis-cli", "--version"}},
		"python": {[]string{"python3"}, "pip install -r internal/servertest/requirements.txt", []string{"python3", "-c", "import redis"}},
		"ruby":   {[]string{"ruby"}, "apt-get install ruby ruby-redis", []string{"ruby", "-e", `require "redis"`}},
		"php":    {[]string{"php"}, "apt-get install php-cli php-redis", []string{"php", "-r", "new Redis();"}},
		"go":     {[]string{"go", "run"}, "", []string{"go", "version"}},
		"lua":    {nil, "apt-get install redis-tools", []string{"redis-cli", "--version"}},
	} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			if out, err := exec.Command(c.ready[0], c.ready[1:]...).CombinedOutput(); err != nil {
				servertest.Missing(t, "docs/report.md in %s: %v %s; %s", language, err, out, c.install)
			}
			server := servertest.Redis(t)
			dir := t.TempDir()
			// Three things wait: files in a spool, and, for what counts inside Redis, a list's items.
			if err := os.Mkdir(filepath.Join(dir, "spool"), 0o700); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"a", "b", "c"} {
				if err := os.WriteFile(filepath.Join(dir, "spool", name), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := server.Client.RPush(t.Context(), "emails", 1, 2, 3).Err(); err != nil {
				t.Fatal(err)
			}
			code := servertest.CodeOf(t, "report.md", language)
			command := c.command
			file := filepath.Join(dir, "report."+language)
			if err := os.WriteFile(file, []byte(code[0]), 0o600); err != nil {
				t.Fatal(err)
			}
			args := append(command, file)
			workingDir := dir
			switch language {
			case "lua": // by the page's own command
				args = []string{"sh", "-euc", servertest.CodeOf(t, "report.md", "sh")[1]}
			case "go": // built among our modules, run where the spool is
				program := filepath.Join(dir, "report")
				build := exec.Command("go", "build", "-o", program, file)
				build.Dir = servertest.Root()
				if out, err := build.CombinedOutput(); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				args = []string{program}
			}
			cmd := exec.Command(args[0], args[1:]...)
			cmd.Dir, cmd.Env = workingDir, append(os.Environ(), "REDIS_URL="+server.URL)
			before := time.Now().Add(-time.Second) // sh counts in seconds
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %v\n%s", args, err, out)
			}
			reported(t, server, before)
		})
	}
}

func reported(t *testing.T, server *servertest.RedisServer, before time.Time) {
	t.Helper()
	ctx := context.Background()
	key := protocol.QueuesKey("shop", "mailer")
	text, err := server.Client.Get(ctx, key).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	s, problems, err := protocol.DecodeSnapshot(text)
	if err != nil || len(problems) > 0 || len(s.Queues) != 1 || s.Key() != key {
		t.Fatalf("%s: %v, %v", text, problems, err)
	}
	if q := s.Queues[0]; q.Name != "emails" || q.Metrics.Waiting != 3 || q.Metrics.Active != nil || q.Driver != protocol.DriverOther {
		t.Errorf("%s", text)
	}
	if at := time.UnixMilli(s.Timestamp); at.Before(before) || at.After(time.Now()) {
		t.Errorf("counted at %v: %s", at, text)
	}
	if ttl := server.Client.TTL(ctx, key).Val(); ttl <= 0 || ttl > 30*time.Second {
		t.Errorf("it lives for %v", ttl)
	}
}
