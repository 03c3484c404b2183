// Package servertest starts the real servers and programs that tests talk to.
//
// [Redis] starts a redis-server and [Run] a program; [Eventually] waits for what should happen. Each server
// listens on loopback, on a free port, in a temporary directory, and ends with its test.
//
// Where a program is not installed the test is skipped with the reason; with CI=true it fails.
package servertest

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// need finds a program, or ends the test.
func need(t testing.TB, program, install string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		Missing(t, "%s is not installed: %s", program, install)
	}
	return path
}

// Missing ends a test that needs something that is not there: on a laptop it skips the test, in CI it fails.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// FreePort is a port of loopback that nothing listened on a moment ago.
func FreePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// maxWait is how long a test waits for something: two minutes, because a machine may be busy.
const maxWait = 2 * time.Minute

// waitFor calls try until it returns no error; a server takes a moment to start. It fails the test at once when
// ended is closed: a server that has ended, say because its port was taken, never answers. ended may be nil. The last try
// begins after maxWait, so that one that took all of it is not the last.
func waitFor(t testing.TB, what string, ended <-chan struct{}, try func() error) {
	t.Helper()
	var err error
	for deadline, late := time.Now().Add(maxWait), false; !late; {
		late = time.Now().After(deadline)
		if err = try(); err == nil {
			return
		}
		select {
		case <-ended:
			t.Fatalf("%s has ended", what)
		case <-time.After(pause):
		}
	}
	t.Fatalf("%s does not answer: %v", what, err)
}

const pause = 50 * time.Millisecond

// running is a server that a test has started.
type running struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process is gone
}

// start runs a server until the test ends or calls stop. A test that fails logs the server's output.
func start(t testing.TB, cmd *exec.Cmd) *running {
	t.Helper()
	out := &Output{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	r := &running{cmd, make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(r.ended)
	}()
	t.Cleanup(func() {
		r.stop()
		if t.Failed() && out.String() != "" {
			t.Logf("%s said:\n%s", filepath.Base(cmd.Path), out)
		}
	})
	return r
}

// stop kills the server, if it still runs, and waits for its end.
func (r *running) stop() {
	_ = r.cmd.Process.Kill()
	<-r.ended
}

// Output is what a program or a logger writes, for several writers and readers at once.
type Output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// String is what has been written so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Root is the repository's top folder.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

var (
	builds   sync.Mutex
	buildDir string
	built    = map[string]string{}
)

// Build builds a command of this repository as it is shipped, such as "functions/aggregator", once
// for all tests of the process.
func Build(t testing.TB, pkg string) string {
	t.Helper()
	return build(t, pkg, []string{"CGO_ENABLED=0"}, "-tags", "lambda.norpc")
}

// Adapters builds the module of the built-in adapters once for all tests of a process, and returns it.
func Adapters(t testing.TB) []byte {
	t.Helper()
	wasm, err := os.ReadFile(build(t, "probes/wasm", []string{"GOOS=wasip1", "GOARCH=wasm"}, "-buildmode=c-shared"))
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// Dir is a directory for all tests of a process, which [Main] removes.
func Dir() string {
	builds.Lock()
	defer builds.Unlock()
	return processDir()
}

func processDir() string {
	if buildDir == "" {
		var err error
		if buildDir, err = os.MkdirTemp("", "pulse-build-"); err != nil {
			panic(err) // an example has no test to end
		}
	}
	return buildDir
}

func build(t testing.TB, pkg string, env []string, args ...string) string {
	t.Helper()
	builds.Lock()
	defer builds.Unlock()
	if path := built[pkg]; path != "" {
		return path
	}
	path := filepath.Join(processDir(), strings.ReplaceAll(pkg, "/", "-"))
	cmd := exec.Command("go", slices.Concat([]string{"build", "-trimpath", "-ldflags", "-s -w"}, args, []string{"-o", path, "./" + pkg})...)
	cmd.Dir = Root()
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	dependOnSources(t)
	built[pkg] = path
	return path
}

// dependOnSources makes the result of this test run depend on the sources: go test keeps a result as
// long as the files that a test looked at are the same, and it cannot see what go build looks at.
func dependOnSources(t testing.TB) {
	t.Helper()
	for _, dir := range []string{"functions", "internal", "probes", "protocol", "scripts"} {
		err := filepath.WalkDir(filepath.Join(Root(), dir), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Name() == "node_modules" {
				return filepath.SkipDir
			}
			if err == nil && !d.IsDir() && !strings.HasSuffix(path, "_test.go") {
				_, err = os.Stat(path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Main runs a package's tests and removes what they built. Packages that call Build or Dir have
// func TestMain(m *testing.M) { servertest.Main(m) }.
func Main(m *testing.M) {
	status := m.Run()
	if buildDir != "" {
		_ = os.RemoveAll(buildDir)
	}
	os.Exit(status)
}

// Process is a program that a test runs.
type Process struct {
	t      testing.TB
	cmd    *exec.Cmd
	stdout Output
	stderr Output
	ended  chan struct{}
}

// Run starts a program with this environment and no other, and ends it with the test.
func Run(t testing.TB, path string, env []string, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, cmd: exec.Command(path, args...), ended: make(chan struct{})}
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("%s said:\n%s%s", filepath.Base(path), &p.stdout, &p.stderr)
		}
	})
	return p
}

// Stdout and Stderr are what the program has written so far.
func (p *Process) Stdout() string { return p.stdout.String() }

// Stderr is what the program has written there so far.
func (p *Process) Stderr() string { return p.stderr.String() }

// PID is the process' id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// PeakMemory is the most memory that the process has held at any time, in bytes. Linux tells it.
func (p *Process) PeakMemory(t testing.TB) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// Signal sends a signal.
func (p *Process) Signal(s os.Signal) { _ = p.cmd.Process.Signal(s) }

// Wait waits for the end and returns the exit status; -1 is a signal's.
func (p *Process) Wait() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(maxWait):
		p.t.Fatalf("%s has not ended", p.cmd.Path)
	}
	return p.cmd.ProcessState.ExitCode()
}

// Running reports whether the program is still running.
func (p *Process) Running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Eventually waits until ok reports true. what names it in the failure.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	waitFor(t, what, nil, func() error {
		if ok() {
			return nil
		}
		return fmt.Errorf("it is not so")
	})
}
