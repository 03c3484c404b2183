package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/probes/wasmhost/wasmhosttest"
)

// figures are what differs from run to run.
var figures = regexp.MustCompile(`\d+(\.\d+)?(ns|µs|ms|s)\b`)

// check runs the command on a module, and returns its status and what it prints, without times.
func check(t *testing.T, module []byte, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "my.wasm")
	if err := os.WriteFile(path, module, 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errors bytes.Buffer
	status = run(t.Context(), append(args, path), &out, &errors)
	return status, figures.ReplaceAllString(strings.ReplaceAll(out.String(), path, "my.wasm"), "T"), errors.String()
}

func TestAGoodModuleIsShown(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	if err := server.Client.RPush(t.Context(), "jobs", "a").Err(); err != nil {
		t.Fatal(err)
	}
	status, stdout, stderr := check(t, wasmhosttest.Module{}.Bytes(), "-redis", server.URL)
	const want = `my.wasm: 473 bytes
  imports    nothing
  exports    pulse_abi, pulse_alloc, pulse_describe, pulse_open, pulse_poll, pulse_next, memory
  loads      in T
  describes  test, version 1, asks redis: LLEN
  opens      in T
  poll 1     requests: 1, rounds: 1 of at most 64, queues: 1; T of T in the guest; 131072 bytes of memory
  poll 2     requests: 1, rounds: 1 of at most 64, queues: 1; T of T in the guest; 131072 bytes of memory
{
`
	stdout = regexp.MustCompile(`^my.wasm: \d+`).ReplaceAllString(stdout, "my.wasm: 473")
	if shown, snapshot, _ := strings.Cut(stdout, "{\n"); status != 0 || stderr != "" || !strings.Contains(snapshot, `"waiting": 3`) {
		t.Errorf("status %d, it says %q and prints %s", status, stderr, stdout)
	} else if diff := cmp.Diff(strings.TrimSuffix(want, "{\n"), shown); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestWhatIsWrongWithAModuleIsSaid(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	var refuses, writes, sqs, unread, refused wasmhosttest.Module
	refuses.Open = refuses.Answer("Enamespace is not set")
	writes.Poll = writes.Answer("R*2\r\n$3\r\nDEL\r\n$4\r\njobs\r\n")
	sqs.Describe = sqs.Answer(`{"name":"aws","version":"1","source":"sqs","commands":["ListQueues"]}`)
	unread.Next = unread.Answer(strings.Replace(wasmhosttest.GoodSnapshot, `"waiting":3`, `"waiting":-3`, 1))
	refused.Next = refused.Answer(`S{"timestamp":1764000000000,"app":"shop","queues":[],"problems":[{"queue":"jobs","reason":"NOPERM"}]}`)
	for name, c := range map[string]struct {
		module []byte
		args   []string
		status int
		want   string // in what it prints
	}{
		"no module":                 {[]byte("hello"), nil, 1, `WRONG: it is not WebAssembly: it begins with "hello"`},
		"an import":                 {wasmhosttest.Module{Imports: []wasmhosttest.Import{{Module: "env", Name: "abort", Of: []byte{wasmhosttest.TypeNothing}}}}.Bytes(), nil, 1, "  imports    function \"abort\" of \"env\"\n"},
		"an export":                 {wasmhosttest.Module{Without: "pulse_next"}.Bytes(), nil, 1, "WRONG: it does not export pulse_next"},
		"a setting":                 {refuses.Bytes(), []string{"-set", "namspace=x"}, 1, "WRONG: it does not take these settings: namespace is not set"},
		"a write":                   {writes.Bytes(), []string{"-redis", server.URL}, 1, `WRONG: poll 1: it was closed, and will be started again: it asked a command that may not be sent: "DEL" is refused`},
		"a queue that is left out":  {unread.Bytes(), []string{"-redis", server.URL}, 1, `WRONG: poll 1: it was closed, and will be started again: a reader of its snapshot leaves something out: queue "jobs": `},
		"a problem that it reports": {refused.Bytes(), []string{"-redis", server.URL}, 0, `"reason": "NOPERM"`},
		"no Redis":                  {wasmhosttest.Module{}.Bytes(), nil, 0, "polls      not tried: name a Redis by -redis"},
		"SQS":                       {sqs.Bytes(), []string{"-redis", server.URL}, 0, "polls      not tried: there is only a Redis to ask here, and it asks sqs"},
		"Redis' down":               {wasmhosttest.Module{}.Bytes(), []string{"-redis", "redis://127.0.0.1:1"}, 1, "WRONG: poll 1: read from redis 127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, stdout, stderr := check(t, c.module, c.args...)
			if status != c.status || !strings.Contains(stdout, c.want) || stderr != "" {
				t.Errorf("status %d, it says %q and prints %s, want %s", status, stderr, stdout, c.want)
			}
		})
	}
}

func TestAWrongCommandLineIsStatus2(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"usage: check":         nil,
		"usage: check [-redis": {"a.wasm", "b.wasm"},
		"check: missing.wasm cannot be read: no such file or directory": {"missing.wasm"},
		"check: /dev/zero cannot be read: it is no file":                {"/dev/zero"},
		"flag provided but not defined: -x":                             {"-x", "a.wasm"},
		`invalid value "key" for flag -set: it takes name=value`:        {"-set", "key", "a.wasm"},
		"check: -redis is ": {"-redis", "http://:sesame@host", "a.wasm"},
	} {
		var out, errors bytes.Buffer
		if status := run(t.Context(), args, &out, &errors); status != 2 || !strings.Contains(errors.String(), want) || strings.Contains(errors.String(), "sesame") {
			t.Errorf("%q: status %d, %s, want %s", args, status, &errors, want)
		}
	}
}

func TestTheVersionIsPrinted(t *testing.T) {
	t.Parallel()
	var out, errors bytes.Buffer
	if status := run(t.Context(), []string{"-version"}, &out, &errors); status != 0 || errors.Len() > 0 || !regexp.MustCompile(`^check \S+\n$`).MatchString(out.String()) {
		t.Errorf("status %d, it says %q and prints %q", status, &errors, &out)
	}
}

// TestCompiledModulesAreKept fills the directory that a Lambda package brings.
func TestCompiledModulesAreKept(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "compiled")
	if status, stdout, _ := check(t, wasmhosttest.Module{}.Bytes(), "-cache", dir); status != 0 {
		t.Fatal(stdout)
	}
	if entries, _ := filepath.Glob(dir + "/*/*/*"); len(entries) != 1 {
		t.Errorf("%s holds %v", dir, entries)
	}
}
