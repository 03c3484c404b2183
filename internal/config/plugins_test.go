package config

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/wasmhost"
	"github.com/gravito-framework/pulse/probes/wasmhost/wasmhosttest"
)

// file writes a module, and returns its path.
func file(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func called(name string) []byte {
	var m wasmhosttest.Module
	m.Describe = m.Answer(strings.Replace(wasmhosttest.GoodDescription, "test", name, 1))
	return m.Bytes()
}

// forModules is an environment with nothing but modules to poll, and a cache of its own.
func forModules(t *testing.T, more env) env {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("TMPDIR", t.TempDir())
	return forSQS.with(more)
}

func TestModulesArePolledBesideTheDrivers(t *testing.T) {
	dir := t.TempDir()
	one, two := file(t, dir, "one.wasm", called("resque")), file(t, dir, "two.wasm", called("rq"))
	file(t, dir, "README.txt", []byte("no module"))
	for how, adapters := range map[string]string{"a directory": dir, "paths": two + " , " + one + ","} {
		e := forModules(t, env{"PULSE_ADAPTERS": adapters, "PULSE_ADAPTER_CONFIG": `{"resque":{"namespace":"r"}}`})
		if !WantsRedisReporter(e.get) || !WantsRedisReporter(env{"PULSE_SETTINGS": "PULSE_ADAPTERS=" + dir}.get) {
			t.Error("modules alone ask for no reporter")
		}
		s, err := NewRedisReporter(t.Context(), e.get, true)
		if err != nil {
			t.Fatalf("%s: %v", how, err)
		}
		var names []string
		for _, d := range s.Drivers {
			names = append(names, d.Adapter.Name)
			step := d.Session.Poll(t.Context(), time.Now())
			if len(step.Requests) != 1 {
				t.Errorf("%s: %s: %+v", how, d.Adapter.Name, step)
			}
		}
		want := "resque rq"
		if how == "paths" {
			want = "rq resque"
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: %s, want %s", how, got, want)
		}
	}
	// The cache keeps compiled modules where no other user can write.
	e := forModules(t, env{"PULSE_ADAPTERS": one})
	if _, err := NewRedisReporter(t.Context(), e.get, true); err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(os.Getenv("XDG_CACHE_HOME"), "gravito-pulse", "adapters")
	if info, err := os.Stat(kept); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	if found, _ := filepath.Glob(kept + "/*/*/*"); len(found) != 1 {
		t.Errorf("the cache holds %v", found)
	}
}

func TestAModuleThatCannotBeRunIsSaidByItsVariable(t *testing.T) {
	dir, empty := t.TempDir(), t.TempDir()
	good := file(t, dir, "good.wasm", called("good"))
	twin := file(t, dir, "twin.wasm", called("good"))
	builtin := file(t, dir, "builtin.wasm", called("bullmq"))
	text := file(t, dir, "text.wasm", []byte("hello"))
	large := file(t, dir, "large.wasm", make([]byte, wasmhost.MaxModule+1))
	foreign := file(t, dir, "foreign.wasm", wasmhosttest.Module{Imports: []wasmhosttest.Import{{Module: "env", Name: "abort", Of: []byte{wasmhosttest.TypeNothing}}}}.Bytes())
	var ofSQS wasmhosttest.Module
	ofSQS.Describe = ofSQS.Answer(`{"name":"aws","version":"1","source":"sqs","commands":["ListQueues"]}`)
	sqs := file(t, dir, "sqs.wasm", ofSQS.Bytes())
	var picky wasmhosttest.Module
	picky.Open = picky.Answer("Enamespace is not set")
	refusing := file(t, dir, "picky.wasm", picky.Bytes())
	if err := os.Mkdir(filepath.Join(dir, "folder.wasm"), 0o700); err != nil {
		t.Fatal(err)
	}
	const form = `PULSE_ADAPTER_CONFIG is not JSON of the form {"adapter": {"setting": "text"}}`
	for want, c := range map[string]env{
		"PULSE_ADAPTERS has " + dir + "/missing.wasm, which cannot be read: no such file or directory":                                                               {"PULSE_ADAPTERS": dir + "/missing.wasm"},
		`PULSE_ADAPTERS is "` + empty + `": it takes a directory with .wasm files in it, but this one has none`:                                                      {"PULSE_ADAPTERS": empty},
		`PULSE_ADAPTERS is ",": it takes a directory, or paths of .wasm files, comma-separated`:                                                                      {"PULSE_ADAPTERS": ","},
		"PULSE_ADAPTERS has " + text + `: it is not WebAssembly: it begins with "hello"`:                                                                             {"PULSE_ADAPTERS": text},
		"PULSE_ADAPTERS has " + large + ", which cannot be read: it has 16777217 bytes: at most 16777216 are loaded":                                                 {"PULSE_ADAPTERS": large},
		"PULSE_ADAPTERS has " + dir + "/folder.wasm, which cannot be read: it is a directory: name its .wasm files":                                                  {"PULSE_ADAPTERS": dir + "/folder.wasm,"},
		"PULSE_ADAPTERS has " + foreign + `: it imports the function "abort" of "env": the host gives functions of wasi_snapshot_preview1 only, and none of sockets`: {"PULSE_ADAPTERS": foreign},
		"PULSE_ADAPTERS has " + twin + ", which calls itself good as " + good + " does: leave one of them out":                                                       {"PULSE_ADAPTERS": good + "," + twin},
		"PULSE_ADAPTERS has " + builtin + ", which calls itself bullmq as the built-in adapter does: leave one of them out":                                          {"PULSE_ADAPTERS": builtin},
		"PULSE_ADAPTER_CONFIG for aws (" + sqs + "): it asks sqs: this reporter asks a Redis only":                                                                   {"PULSE_ADAPTERS": sqs},
		"PULSE_ADAPTER_CONFIG for test (" + refusing + "): namespace is not set":                                                                                     {"PULSE_ADAPTERS": refusing},
		`PULSE_ADAPTER_CONFIG has settings of "resqeu": PULSE_ADAPTERS has no adapter of this name`:                                                                  {"PULSE_ADAPTERS": good, "PULSE_ADAPTER_CONFIG": `{"resqeu":{"a":"b"}}`},
		`PULSE_ADAPTER_CONFIG sets app of "good": that is PULSE_APP's`:                                                                                               {"PULSE_ADAPTERS": good, "PULSE_ADAPTER_CONFIG": `{"good":{"app":"b"}}`},
		"PULSE_ADAPTER_CONFIG is set, but PULSE_ADAPTERS is not: it takes the adapters that the settings are for":                                                    {"PULSE_BULLMQ_QUEUES": "*", "PULSE_ADAPTER_CONFIG": `{}`},
		"PULSE_ADAPTERS has /dev/null, which cannot be read: it is no file":                                                                                          {"PULSE_ADAPTERS": "/dev/null"},
		`PULSE_ADAPTERS has "\x1b[31mred\n.wasm", which cannot be read: no such file or directory`:                                                                   {"PULSE_ADAPTERS": "\x1b[31mred\n.wasm"},
		`PULSE_ADAPTER_CONFIG has settings of "laravel": laravel is built in and is set by PULSE_LARAVEL_QUEUES, PULSE_LARAVEL_PREFIX, PULSE_HORIZON_PREFIX`:         {"PULSE_ADAPTERS": good, "PULSE_ADAPTER_CONFIG": `{"laravel":{"queues":"*"}}`},
		`PULSE_ADAPTER_CONFIG has "good" twice: leave one of them out`:                                                                                               {"PULSE_ADAPTERS": good, "PULSE_ADAPTER_CONFIG": `{"good":{"a":"good"},"good":{"a":"b"}}`},
		`PULSE_ADAPTER_CONFIG has "a" of "good" twice: leave one of them out`:                                                                                        {"PULSE_ADAPTERS": good, "PULSE_ADAPTER_CONFIG": `{"good":{"a":"a","b":"a","a":"c"}}`},
		form:        {"PULSE_ADAPTERS": good, "PULSE_ADAPTER_CONFIG": `{"good":{"password":sesame}}`},
		form + " ":  {"PULSE_ADAPTERS": good, "PULSE_ADAPTER_CONFIG": `{"good":{"n":5}}`},
		form + "  ": {"PULSE_ADAPTERS": good, "PULSE_ADAPTER_CONFIG": `{} {}`},
	} {
		_, err := NewRedisReporter(t.Context(), forModules(t, c).get, true)
		if _, ok := errors.AsType[*Error](err); !ok || strings.Contains(err.Error(), "\n") || strings.TrimSpace(want) != err.Error() {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestInLambdaAModuleIsCompiledInTheBackground polls until that is done, and then with what is wrong.
func TestInLambdaAModuleIsCompiledInTheBackground(t *testing.T) {
	dir := t.TempDir()
	good, text := file(t, dir, "good.wasm", called("good")), file(t, dir, "text.wasm", []byte("hello"))
	e := forModules(t, env{"PULSE_ADAPTERS": good + "," + text, "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1"})
	// What the package brings is used from where it may be written to.
	if err := os.MkdirAll(filepath.Join(dir, compiledDir, "v"), 0o755); err != nil {
		t.Fatal(err)
	}
	file(t, filepath.Join(dir, compiledDir, "v"), "entry", []byte("x"))
	s, err := NewRedisReporter(t.Context(), e.get, true)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Drivers) != 2 || s.Drivers[0].Adapter.Name != "good" || s.Drivers[1].Adapter.Name != "text" {
		t.Fatalf("%+v", s.Drivers)
	}
	for i, want := range []string{"", `it is not WebAssembly: it begins with "hello"`} {
		var step adapter.Step
		servertest.Eventually(t, "it is compiled", func() bool {
			step = s.Drivers[i].Session.Poll(t.Context(), time.Now())
			return step.Err == nil || !strings.Contains(step.Err.Error(), "still being compiled")
		})
		if want == "" && len(step.Requests) != 1 || want != "" && (step.Err == nil || step.Err.Error() != want) {
			t.Errorf("%+v, want %q", step, want)
		}
		if err := s.Drivers[i].Session.Close(); err != nil {
			t.Error(err)
		}
	}
	linked := filepath.Join(os.TempDir(), "gravito-pulse-adapters", "v", "entry")
	if target, err := os.Readlink(linked); err != nil || target != filepath.Join(dir, compiledDir, "v", "entry") {
		t.Errorf("%s, %v", target, err)
	}
}

// TestAModuleThatIsBeingCompiledIsNotWaitedForByAProgramThatEnds, and nothing is said to be wrong with it.
func TestAModuleThatIsBeingCompiledIsNotWaitedForByAProgramThatEnds(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	compiled, ended := make(chan struct{}), make(chan struct{})
	_, err := untilDone(ctx, func(context.Context) (*wasmhost.Module, error) {
		defer close(ended)
		stop()
		<-compiled
		return nil, nil
	})
	close(compiled)
	<-ended
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	good := file(t, t.TempDir(), "good.wasm", called("good"))
	_, err = NewRedisReporter(ctx, forModules(t, env{"PULSE_ADAPTERS": good}).get, true)
	if _, wrong := errors.AsType[*Error](err); wrong || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// givenAway makes a directory another user's. Where only root may do that, it is of this user, and the caller another one.
func givenAway(t *testing.T, dir string) (user int) {
	t.Helper()
	if me := os.Geteuid(); me != 0 {
		return me + 1
	}
	const another = 65_534
	if err := os.Chown(dir, another, another); err != nil {
		t.Fatal(err)
	}
	return 0
}

func TestACacheThatOthersWriteToIsNotUsed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shared")
	me := os.Geteuid()
	refused := func(dir string, user int, want string) {
		t.Helper()
		if got, err := private(dir, user); got != "" || err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q, %v, want %s", got, err, want)
		}
	}
	if got, err := private(dir, me); got != dir || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for _, mode := range []os.FileMode{0o777, 0o720, 0o777 | os.ModeSticky} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		refused(dir, me, "others may write to "+dir+": ")
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(t.TempDir(), link); err != nil {
		t.Fatal(err)
	}
	refused(link, me, link+" is a link: ")
	others := filepath.Join(t.TempDir(), "others")
	if _, err := private(others, me); err != nil {
		t.Fatal(err)
	}
	user := givenAway(t, others)
	refused(others, user, others+" belongs to user ")
	file := file(t, t.TempDir(), "file", nil)
	if got, err := private(file, me); got != "" || err != nil {
		t.Errorf("where nothing can be made: %q, %v", got, err)
	}
}

// TestACacheThatOthersMayReplaceIsNotUsed has a directory of this user's own below one that is not.
func TestACacheThatOthersMayReplaceIsNotUsed(t *testing.T) {
	me := os.Geteuid()
	made := func(mode os.FileMode) (above, dir string) {
		above = filepath.Join(t.TempDir(), "above")
		dir = filepath.Join(above, "between", "cache")
		if err := errors.Join(os.MkdirAll(dir, 0o700), os.Chmod(above, mode)); err != nil {
			t.Fatal(err)
		}
		return above, dir
	}
	for mode, safe := range map[os.FileMode]bool{
		0o700: true, 0o755: true, 0o777 | os.ModeSticky: true,
		0o777: false, 0o702: false,
	} {
		above, dir := made(mode)
		if err := safeAbove(dir, me); (err == nil) != safe || err != nil && !strings.HasPrefix(err.Error(), dir+" is below "+above+", where others may write, ") {
			t.Errorf("%v: %v", mode, err)
		}
		link := filepath.Join(t.TempDir(), "link") // the way to it is safe, and where it is may not be
		if err := os.Symlink(filepath.Join(above, "between"), link); err != nil {
			t.Fatal(err)
		}
		if err := safeAbove(filepath.Join(link, "cache"), me); (err == nil) != safe {
			t.Errorf("by a link, %v: %v", mode, err)
		}
		link = filepath.Join(above, "link")
		if err := os.Symlink(t.TempDir(), link); err != nil {
			t.Fatal(err)
		}
		if err := safeAbove(link, me); (err == nil) != safe {
			t.Errorf("by a link that stands there, %v: %v", mode, err)
		}
	}
	if os.Geteuid() == 0 { // only root has a group at hand that is not its own
		above, dir := made(0o770)
		if err := safeAbove(dir, me); err != nil {
			t.Errorf("of this user's own group: %v", err)
		}
		if err := os.Chown(above, 0, 65_534); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(above, 0o770); err != nil {
			t.Fatal(err)
		}
		if err := safeAbove(dir, me); err == nil {
			t.Error("a group of others may write above it, and it is used")
		}
	}
	above, dir := made(0o755)
	user := givenAway(t, above)
	if err := safeAbove(dir, user); err == nil || !strings.Contains(err.Error(), above+" of user ") && user == 0 {
		t.Errorf("above it is another's: %v", err)
	}
}

// TestWithoutACacheModulesStillRun: it is said once, whatever the modules.
func TestWithoutACacheModulesStillRun(t *testing.T) {
	dir := t.TempDir()
	file(t, dir, "one.wasm", called("resque"))
	file(t, dir, "two.wasm", called("rq"))
	e := forModules(t, env{"PULSE_ADAPTERS": dir})
	if err := os.Chmod(os.Getenv("XDG_CACHE_HOME"), 0o777); err != nil { //nolint:gosec // that is the matter
		t.Fatal(err)
	}
	var log bytes.Buffer
	r := reader{get: e.get}
	drivers := r.plugins(t.Context(), Reporting{App: "shop"}, slog.New(slog.NewTextHandler(&log, nil)))
	if len(drivers) != 2 || len(r.problems) != 0 {
		t.Errorf("%d drivers, %v", len(drivers), r.problems)
	}
	if said := strings.Count(log.String(), "compiled modules are not kept, and each start compiles them: "); said != 1 || !strings.Contains(log.String(), "chmod go-w") {
		t.Errorf("it is said %d times: %s", said, log.String())
	}
	if found, _ := filepath.Glob(os.Getenv("XDG_CACHE_HOME") + "/*/*/*/*"); len(found) != 0 {
		t.Errorf("the cache holds %v", found)
	}
}
