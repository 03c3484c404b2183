package wasmhost_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/wasmhost"
	"github.com/gravito-framework/pulse/probes/wasmhost/wasmhosttest"
)

var noon = time.UnixMilli(1_764_000_000_000)

// limits are small, so that what breaks them does so soon; and long enough for what doesn't, on a machine
// that is busy with something else.
var limits = wasmhost.Options{Memory: 4 << 20, RunTime: time.Second}

// fuzzLimits are for what may break them or not.
var fuzzLimits = wasmhost.Options{Memory: 4 << 20, RunTime: 100 * time.Millisecond}

func load(t testing.TB, m wasmhosttest.Module, o wasmhost.Options) (*wasmhost.Module, error) {
	t.Helper()
	module, err := wasmhost.Load(t.Context(), m.Bytes(), o)
	if err == nil {
		t.Cleanup(func() { _ = module.Close(context.Background()) })
	}
	return module, err
}

func open(t testing.TB, m wasmhosttest.Module, o wasmhost.Options) adapter.Session {
	t.Helper()
	module, err := load(t, m, o)
	if err != nil {
		t.Fatal(err)
	}
	session, err := module.Open(t.Context(), adapter.Settings{"app": "shop"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}

// drive drives a poll, and answers each request with 3. It counts what was asked.
func drive(ctx context.Context, s adapter.Session, now time.Time) (step adapter.Step, asked int) {
	step = s.Poll(ctx, now)
	for len(step.Requests) > 0 {
		asked += len(step.Requests)
		replies := make([]adapter.Reply, len(step.Requests))
		for i := range replies {
			replies[i] = adapter.Int(3)
		}
		step = s.Next(ctx, replies)
	}
	return step, asked
}

func TestAGoodModuleIsAnAdapter(t *testing.T) {
	t.Parallel()
	module, err := load(t, wasmhosttest.Module{}, wasmhost.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if about := module.Describe(); about.Name != "test" || about.Version != "1" || about.Source != adapter.Redis || !slices.Equal(about.Commands, []string{"LLEN"}) {
		t.Errorf("%+v", about)
	}
	for _, trusted := range []bool{false, true} {
		o := wasmhost.Options{Trusted: trusted}
		module, err := load(t, wasmhosttest.Module{}, o)
		if err != nil {
			t.Fatal(err)
		}
		about := open(t, wasmhosttest.Module{}, o).(*wasmhost.Session).Describe()
		if module.Describe().IsStranger == trusted || about.IsStranger == trusted {
			t.Errorf("trusted is %v: the module is %+v, its session %+v", trusted, module.Describe(), about)
		}
	}
	s := open(t, wasmhosttest.Module{}, wasmhost.Options{})
	for range 3 {
		step, asked := drive(t.Context(), s, noon)
		if step.Err != nil || asked != 1 || len(step.Snapshot.Queues) != 1 || step.Snapshot.Queues[0].Metrics.Waiting != 3 {
			t.Fatalf("%+v, asked %d", step, asked)
		}
	}
}

// TestAModuleThatIsNoneIsRefused is about what is wrong before a module has run for the first poll.
func TestAModuleThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	importing := func(module, name string, kind byte, of ...byte) wasmhosttest.Module {
		return wasmhosttest.Module{Imports: []wasmhosttest.Import{{Module: module, Name: name, Kind: kind, Of: of}}}
	}
	described := func(text string) wasmhosttest.Module {
		var m wasmhosttest.Module
		m.Describe = m.Answer(text)
		return m
	}
	const given = ": the host gives functions of wasi_snapshot_preview1 only, and none of sockets"
	for name, c := range map[string]struct {
		wasm []byte
		want string
	}{
		"nothing":                       {nil, `it is not WebAssembly: it begins with ""`},
		"text":                          {[]byte("#!/bin/sh\n"), `it is not WebAssembly: it begins with "#!/bin/s"`},
		"cut":                           {wasmhosttest.Module{}.Bytes()[:60], "it is cut off, or not WebAssembly"},
		"100 MB":                        {append(wasmhosttest.Module{}.Bytes(), make([]byte, 100<<20)...), "bytes: at most 16777216 are loaded"},
		"env.abort":                     {importing("env", "abort", 0, wasmhosttest.TypeNothing).Bytes(), `it imports the function "abort" of "env"` + given},
		"a socket":                      {importing("wasi_snapshot_preview1", "sock_accept", 0, wasmhosttest.TypeNothing).Bytes(), `it imports the function "sock_accept"`},
		"another WASI":                  {importing("wasi_unstable", "fd_write", 0, wasmhosttest.TypeNothing).Bytes(), `of "wasi_unstable"` + given},
		"a memory":                      {importing("env", "memory", 2, 0, 1).Bytes(), `it imports the memory "memory" of "env"` + given},
		"a table":                       {importing("env", "t", 1, 0x70, 0, 1).Bytes(), `it imports the table "t" of "env"` + given},
		"a global":                      {importing("env", "g", 3, wasmhosttest.I32, 0).Bytes(), `it imports the global "g" of "env"` + given},
		"a global of WASI":              {importing("wasi_snapshot_preview1", "fd_write", 3, wasmhosttest.I32, 0).Bytes(), `it imports the global "fd_write"`},
		"another type":                  {importing("wasi_snapshot_preview1", "fd_write", 0, wasmhosttest.TypeNothing).Bytes(), "fd_write"},
		"a large table":                 {wasmhosttest.Module{Tables: []byte{1, 0x70, 0, 0x80, 0x80, 0x80, 0x80, 0x04}}.Bytes(), "its tables have more than 200000 entries"},
		"much memory":                   {wasmhosttest.Module{Pages: 65}.Bytes(), "65 pages"},
		"4 billion types":               {[]byte("\x00asm\x01\x00\x00\x00\x01\x05\xff\xff\xff\xff\x0f"), "it is cut off"},
		"many parameters":               {[]byte("\x00asm\x01\x00\x00\x00\x01\x08\x01\x60\xec\xec\xec\xec\x02\x00"), "it is cut off"},
		"4 billion exports":             {[]byte("\x00asm\x01\x00\x00\x00\x07\x05\xff\xff\xff\xff\x0f"), "it is cut off"},
		"many elements":                 {[]byte("\x00asm\x01\x00\x00\x00\x09\x0a\x01\x00\x41\x00\x0b\xff\xff\xff\xff\x0f"), "it is cut off"},
		"much data":                     {[]byte("\x00asm\x01\x00\x00\x00\x0b\x0a\x01\x00\x41\x00\x0b\xff\xff\xff\xff\x0f"), "it is cut off"},
		"many locals":                   {[]byte("\x00asm\x01\x00\x00\x00\x0a\x0a\x01\x08\x01\xff\xff\xff\xff\x0f\x7f\x0b"), "its functions have 4294967295 local variables: at most 1000000 are taken"},
		"no pulse_next":                 {wasmhosttest.Module{Without: "pulse_next"}.Bytes(), "it does not export pulse_next"},
		"no memory":                     {wasmhosttest.Module{Without: "memory"}.Bytes(), "it does not export memory"},
		"ABI 2":                         {wasmhosttest.Module{ABI: wasmhosttest.ConstI32(2)}.Bytes(), "it speaks version 2 of the adapter ABI: this host speaks 1"},
		"a start that never ends":       {wasmhosttest.Module{Start: []byte{wasmhosttest.OpLoop, 0x40, wasmhosttest.OpBr, 0, 0x0b}}.Bytes(), "it cannot be started: it ran until its time was over"},
		"no description":                {described("").Bytes(), "pulse_describe answered with nothing"},
		"a description that is no JSON": {described("RESP").Bytes(), `its description is "RESP": it is not a JSON object`},
		"no name":                       {described(`{"version":"1","source":"redis","commands":["LLEN"]}`).Bytes(), "of its description name is"},
		"a hostile name":                {described(`{"name":"../x","source":"redis","commands":["LLEN"]}`).Bytes(), "of its description name is"},
		"no source":                     {described(`{"name":"test","version":"1","commands":["LLEN"]}`).Bytes(), `source is "": it takes redis or sqs`},
		"no commands":                   {described(`{"name":"test","source":"redis","commands":[]}`).Bytes(), "commands are 0"},
		"a write":                       {described(`{"name":"test","source":"redis","commands":["LLEN","DEL"]}`).Bytes(), `commands has "DEL": a host sends only what reads`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := wasmhost.Load(t.Context(), c.wasm, limits)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

// limitsFor are limits for a module that is closed for that reason. One that recurses may take longer than a second before its
// stack is full, where the race detector is on and the machine is busy.
func limitsFor(reason string) wasmhost.Options {
	o := limits
	if !strings.Contains(reason, "time was over") {
		o.RunTime = 20 * time.Second
	}
	return o
}

// hostile are modules that load, and are then closed for what they do in a poll.
func hostile() map[string]struct {
	made wasmhosttest.Module
	want string
} {
	answering := func(poll, next string) (m wasmhosttest.Module) {
		m.Poll = m.Answer(poll)
		if next != "" {
			m.Next = m.Answer(next)
		}
		return m
	}
	const ask = "R*2\r\n$4\r\nLLEN\r\n$4\r\njobs\r\n"
	const forever = "\x03\x40\x0c\x00\x0b" // a loop
	exits := []wasmhosttest.Import{{Module: wasmhost.WASI, Name: "proc_exit", Of: []byte{wasmhosttest.TypeI32}}}
	return map[string]struct {
		made wasmhosttest.Module
		want string
	}{
		"a loop":       {wasmhosttest.Module{Poll: append([]byte(forever), wasmhosttest.OpUnreachable)}, "pulse_poll failed: it ran until its time was over"},
		"a loop later": {wasmhosttest.Module{Next: append([]byte(forever), wasmhosttest.OpUnreachable)}, "pulse_next failed: it ran until its time was over"},
		"a trap":       {wasmhosttest.Module{Poll: []byte{wasmhosttest.OpUnreachable}}, "pulse_poll failed: unreachable"},
		// It grows until it is refused, and then stops.
		"a memory bomb": {wasmhosttest.Module{Poll: slices.Concat([]byte{wasmhosttest.OpLoop, 0x40}, wasmhosttest.ConstI32(1), []byte{wasmhosttest.OpGrowMemory, 0}, wasmhosttest.ConstI32(-1), []byte{0x47, 0x0d, 0, 0x0b, wasmhosttest.OpUnreachable})}, "pulse_poll failed: unreachable"},
		// Of the time for its growing stack, and of the stack itself, one is over first.
		"recursion": {wasmhosttest.Module{Poll: []byte{0x20, 0, wasmhosttest.OpCall, 4}}, "pulse_poll failed: "},
		// It calls itself twice, 40 times within itself, without a loop.
		"recursion that returns": {wasmhosttest.Module{
			Alloc: slices.Concat([]byte{0x20, 0}, wasmhosttest.ConstI32(1000), []byte{0x49, 0x04, wasmhosttest.I32}, wasmhosttest.ConstI32(wasmhosttest.InputAt), []byte{0x05}, // local.get, i32.lt_u, if, else
				[]byte{0x20, 0}, wasmhosttest.ConstI32(1), []byte{0x6b, wasmhosttest.OpCall, 1, wasmhosttest.OpDrop, 0x20, 0}, wasmhosttest.ConstI32(1), []byte{0x6b, wasmhosttest.OpCall, 1, 0x0b}), // i32.sub
			Poll: slices.Concat(wasmhosttest.ConstI32(1040), []byte{wasmhosttest.OpCall, 1, wasmhosttest.OpDrop, wasmhosttest.OpUnreachable}),
		}, "pulse_poll failed: it ran until its time was over"},
		"a pointer outside":   {wasmhosttest.Module{Poll: wasmhosttest.Result(1<<31, 8)}, "pulse_poll answered with 8 bytes at 2147483648: its memory has 131072"},
		"a length too long":   {wasmhosttest.Module{Poll: wasmhosttest.Result(wasmhosttest.TextsAt, 1<<31)}, "pulse_poll answered with 2147483648 bytes at 1024: its memory has 131072"},
		"a length that wraps": {wasmhosttest.Module{Poll: wasmhosttest.Result(1<<32-16, 64)}, "pulse_poll answered with 64 bytes at 4294967280"},
		"nothing":             {wasmhosttest.Module{Poll: wasmhosttest.Result(0, 0)}, "pulse_poll answered with nothing"},
		"another tag":         {answering("X", ""), `its result has the tag 'X'`},
		"K in a poll":         {answering("K", ""), `its result has the tag 'K'`},
		"no requests":         {answering("R", ""), "it asked nothing"},
		"an empty request":    {answering("R*0\r\n", ""), "its requests cannot be read"},
		"half a request":      {answering("R*2\r\n$4\r\nLLEN\r\n$9\r\njobs\r\n", ""), "its requests cannot be read"},
		"a lying length":      {answering("R*999999999\r\n", ""), "its requests cannot be read"},
		"65 rounds":           {answering(ask, ask), "it asked 1 requests in round 65: a poll may take 64 rounds"},
		"a write":             {answering("R*2\r\n$3\r\nDEL\r\n$4\r\njobs\r\n", ""), `"DEL" is refused: only commands that read are sent`},
		"undescribed":         {answering("R*2\r\n$3\r\nGET\r\n$4\r\njobs\r\n", ""), `it asked "GET", which it does not describe`},
		"no key":              {answering("R*1\r\n$4\r\nLLEN\r\n", ""), "LLEN is refused: it names no key"},
		"an empty key":        {answering("R*2\r\n$4\r\nLLEN\r\n$0\r\n\r\n", ""), "LLEN is refused: it names no key"},
		"a key of a number":   {answering("R*2\r\n$4\r\nLLEN\r\n:5\r\n", ""), "its requests cannot be read"},
		"a key of nothing":    {answering("R*2\r\n$4\r\nLLEN\r\n$-1\r\n", ""), "its requests cannot be read"},
		"a key of a list":     {answering("R*2\r\n$4\r\nLLEN\r\n*1\r\n$4\r\njobs\r\n", ""), "its requests cannot be read"},
		"another app":         {answering(strings.Replace(wasmhosttest.GoodSnapshot, "shop", "bank", 1), ""), `its snapshot is of the app "bank": it was given "shop"`},
		"invalid JSON":        {answering("S{", ""), "its snapshot cannot be read"},
		"no snapshot":         {answering("S[]", ""), "its snapshot cannot be read"},
		"proc_exit":           {wasmhosttest.Module{Imports: exits, Poll: slices.Concat(wasmhosttest.ConstI32(3), []byte{wasmhosttest.OpCall, 0, wasmhosttest.OpUnreachable})}, "pulse_poll failed: it ended itself with exit status 3"},
		"proc_exit(0)":        {wasmhosttest.Module{Imports: exits, Poll: slices.Concat(wasmhosttest.ConstI32(0), []byte{wasmhosttest.OpCall, 0, wasmhosttest.OpUnreachable})}, "pulse_poll failed: it ended itself with exit status 0"},
	}
}

func TestAHostileModuleIsClosedAndStartedAgainLater(t *testing.T) {
	t.Parallel()
	for name, c := range hostile() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, c.made, limitsFor(c.want))
			step, _ := drive(t.Context(), s, noon)
			const closed = "it was closed, and will be started again: "
			if step.Err == nil || !strings.HasPrefix(step.Err.Error(), closed) || !strings.Contains(step.Err.Error(), c.want) {
				t.Fatalf("%v, want %s", step.Err, c.want)
			}
			said := step.Err.Error()
			if used := s.(*wasmhost.Session).Usage(); used.Memory != 0 {
				t.Errorf("it still holds %d bytes", used.Memory)
			}
			if step, asked := drive(t.Context(), s, noon.Add(999*time.Millisecond)); step.Err == nil || step.Err.Error() != said || asked != 0 {
				t.Errorf("during the wait: %+v", step)
			}
			if step, _ := drive(t.Context(), s, noon.Add(time.Second)); step.Err == nil || !strings.Contains(step.Err.Error(), c.want) {
				t.Errorf("after the wait: %+v", step)
			}
		})
	}
}

// TestAModuleThatAsksForTooLargeAnswersIsClosed: the host counts them, as the instance never sees them.
func TestAModuleThatAsksForTooLargeAnswersIsClosed(t *testing.T) {
	t.Parallel()
	s := open(t, wasmhosttest.Module{}, limits)
	later := wasmhost.OpenLater(t.Context(), func(context.Context) (adapter.Session, error) {
		return open(t, wasmhosttest.Module{}, limits), nil //nolint:contextcheck // it has the test's
	})
	for later.Describe().Name == "" {
		runtime.Gosched()
	}
	for name, s := range map[string]adapter.Session{"at once": s, "later": later} {
		large := []adapter.Reply{adapter.Text(strings.Repeat("x", 16<<20))}
		asked := 0
		poll := func(at time.Duration) string {
			_, err := adapter.Drive(t.Context(), adapter.Description{}, s, noon.Add(at), func([]adapter.Request) ([]adapter.Reply, error) {
				asked++
				return large, nil
			})
			return fmt.Sprint(err)
		}
		const want = "it was closed, and will be started again: it asked for more than it may be answered in a round, which is 16777216 bytes: "
		said := poll(0)
		if !strings.HasPrefix(said, want) {
			t.Errorf("%s: %s", name, said)
		}
		if again := poll(999 * time.Millisecond); again != said || asked != 1 {
			t.Errorf("%s: it was asked for %d times, and then says %s", name, asked, again)
		}
		if poll(time.Second); asked != 2 {
			t.Errorf("%s: after the wait it was asked for %d times", name, asked)
		}
		large = []adapter.Reply{adapter.Int(3)}
		if said := poll(time.Minute); said != "<nil>" {
			t.Errorf("%s: it ends with %s", name, said)
		}
	}
}

// TestASessionThatIsClosedWhileItsRequestsAreAskedSaysSo: that is no defect of the host.
func TestASessionThatIsClosedWhileItsRequestsAreAskedSaysSo(t *testing.T) {
	t.Parallel()
	s := open(t, wasmhosttest.Module{}, limits)
	_, err := adapter.Drive(t.Context(), adapter.Description{}, s, noon, func([]adapter.Request) ([]adapter.Reply, error) {
		return []adapter.Reply{adapter.Int(3)}, s.Close()
	})
	if err == nil || err.Error() != "the session is closed: open another one" {
		t.Error(err)
	}
}

// printer is a module that prints text when it starts, and times times more in each poll, and is then
// closed for a trap.
func printer(text string, times int32) wasmhosttest.Module {
	m := wasmhosttest.Module{Imports: []wasmhosttest.Import{{Module: wasmhost.WASI, Name: "fd_write", Of: []byte{wasmhosttest.TypeFourToI32}}}}
	// The list of what to print has one part: where, and how long.
	m.Texts = binary.LittleEndian.AppendUint32(m.Texts, wasmhosttest.TextsAt+8)
	m.Texts = binary.LittleEndian.AppendUint32(m.Texts, uint32(len(text)))
	m.Texts = append(m.Texts, text...)
	write := slices.Concat(wasmhosttest.ConstI32(1), wasmhosttest.ConstI32(wasmhosttest.TextsAt), wasmhosttest.ConstI32(1), wasmhosttest.ConstI32(0), []byte{wasmhosttest.OpCall, 0, wasmhosttest.OpDrop})
	m.Start = write
	m.Poll = slices.Concat(bytes.Repeat(write, int(times)), []byte{wasmhosttest.OpUnreachable})
	return m
}

func logged(o wasmhost.Options) (wasmhost.Options, *bytes.Buffer) {
	var b bytes.Buffer
	o.Log = slog.New(slog.NewTextHandler(&b, nil))
	return o, &b
}

// TestTheWaitDoublesUpToFiveMinutes counts starts by what each prints. Load and Open start one each.
func TestTheWaitDoublesUpToFiveMinutes(t *testing.T) {
	t.Parallel()
	o, log := logged(limits)
	s := open(t, printer("hello\n", 0), o)
	log.Reset()
	var starts []time.Duration
	for at := time.Duration(0); at < 30*time.Minute; at += time.Second {
		s.Poll(t.Context(), noon.Add(at))
		if log.Len() > 0 || at == 0 {
			starts = append(starts, at)
			log.Reset()
		}
	}
	var waits []string
	for i := range starts[1:] {
		waits = append(waits, (starts[i+1] - starts[i]).String())
	}
	if got, want := strings.Join(waits, " "), "1s 2s 4s 8s 16s 32s 1m4s 2m8s 4m16s 5m0s 5m0s 5m0s"; !strings.HasPrefix(got, want) || strings.Trim(got[len(want):], " 5m0s") != "" {
		t.Errorf("it waits %s, want %s", got, want)
	}
}

func TestAGoodPollEndsTheWaiting(t *testing.T) {
	t.Parallel()
	// Its third poll traps: a global would do, but memory does, too.
	var m wasmhosttest.Module
	m.Texts = []byte{0, 0, 0, 0}
	load := append(wasmhosttest.ConstI32(wasmhosttest.TextsAt), 0x28, 2, 0) // i32.load
	m.Poll = slices.Concat(
		wasmhosttest.ConstI32(wasmhosttest.TextsAt), load, wasmhosttest.ConstI32(1), []byte{0x6a, 0x36, 2, 0}, // i32.add, i32.store
		load, wasmhosttest.ConstI32(3), []byte{0x46, 0x04, 0x40, wasmhosttest.OpUnreachable, 0x0b}, // i32.eq, if
		m.Answer(wasmhosttest.GoodSnapshot))
	s := open(t, m, limits)
	for round := range 3 { // each time after one second, not longer
		for poll, fails := range []bool{false, false, true, true} {
			at := noon.Add(time.Duration(round) * time.Second)
			if step := s.Poll(t.Context(), at); (step.Err != nil) != fails {
				t.Fatalf("round %d, poll %d: %+v", round, poll, step)
			}
		}
	}
}

func TestWhatAnAdapterSaysForAPersonIsOneSentence(t *testing.T) {
	t.Parallel()
	var m wasmhosttest.Module
	m.Poll = m.Answer("EResque\x00 has\x1b[31m no\nqueues \xff" + strings.Repeat("!", 1000))
	s := open(t, m, limits)
	step := s.Poll(t.Context(), noon)
	if step.Err == nil || !strings.HasPrefix(step.Err.Error(), "Resque  has [31m no queues \ufffd!!!") || len(step.Err.Error()) > 510 {
		t.Errorf("%q", step.Err)
	}
	if s.(*wasmhost.Session).Usage().Memory == 0 {
		t.Error("it was closed for a reason that it gave")
	}
	m = wasmhosttest.Module{}
	m.Open = m.Answer("Enamespace is not set")
	module, err := load(t, m, limits)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := module.Open(t.Context(), adapter.Settings{"app": "shop"}); err == nil || err.Error() != "namespace is not set" {
		t.Error(err)
	}
	if _, err := module.Open(t.Context(), adapter.Settings{}); err == nil || !strings.HasPrefix(err.Error(), "app is") {
		t.Error(err)
	}
}

func TestALogFloodIsCut(t *testing.T) {
	t.Parallel()
	o, log := logged(limits)
	s := open(t, printer(strings.Repeat("x", 99)+"\n", 1000), o)
	for poll := range 3 { // each of another instance
		log.Reset()
		s.Poll(t.Context(), noon.Add(time.Duration(poll)*time.Hour))
		lines := strings.Count(log.String(), "an adapter printed a line")
		if most := 2 * (8<<10/100 + 2); lines < 81 || lines > most || log.Len() > 64<<10 {
			t.Errorf("poll %d: %d lines, %d bytes", poll, lines, log.Len())
		}
		if n := strings.Count(log.String(), "the rest is dropped"); n != 1 {
			t.Errorf("poll %d: said %d times that the rest is dropped", poll, n)
		}
	}
	// Polls of one minute share what is logged.
	module := printer("x\n", 60)
	module.Poll = append(module.Poll[:len(module.Poll)-1], module.Answer(wasmhosttest.GoodSnapshot)...)
	o, log = logged(limits)
	s = open(t, module, o)
	for poll, want := range []int{60, 100, 100, 160} {
		if poll == 0 {
			log.Reset()
		}
		s.Poll(t.Context(), noon.Add(time.Duration(poll)*20*time.Second))
		if lines, dropped := strings.Count(log.String(), "an adapter printed a line"), strings.Count(log.String(), "the rest is dropped"); lines != want || dropped != min(poll, 1) {
			t.Errorf("after poll %d: %d lines, want %d; said %d times that the rest is dropped", poll, lines, want, dropped)
		}
	}
	o, log = logged(limits)
	open(t, printer("\x1b[31mred\x00\xff", 0), o).Close()
	open(t, printer("\x1b[31mred\n", 0), o).Close()
	if strings.ContainsAny(log.String(), "\x1b\x00") || !strings.Contains(log.String(), "[31mred") {
		t.Errorf("%q", log)
	}
}

func TestMoreRequestsThanARoundTakesAreRefused(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{
		200_000: "",
		200_001: "there are more than 200000 requests",
	} {
		var m wasmhosttest.Module
		m.Pages = 128
		m.Alloc = wasmhosttest.ConstI32(100 * 64 << 10)
		m.Poll = m.Answer("R" + strings.Repeat("*2\r\n$4\r\nLLEN\r\n$1\r\na\r\n", n))
		step, asked := drive(t.Context(), open(t, m, wasmhost.Options{}), noon)
		if want == "" && (step.Err != nil || asked != n) || want != "" && (step.Err == nil || !strings.Contains(step.Err.Error(), want) || asked != 0) {
			t.Errorf("%d requests: %v, asked %d", n, step.Err, asked)
		}
	}
}

func TestRepliesThatAGuestHasNoPlaceForEndThePoll(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		string(wasmhosttest.ConstI32(0)):           "pulse_alloc refused 4 bytes",
		string(wasmhosttest.ConstI32(128<<10 - 2)): "pulse_alloc answered 131070 for 4 bytes: its memory has 131072",
		string(wasmhosttest.ConstI32(-1)):          "pulse_alloc answered 4294967295 for 4 bytes",
		string([]byte{wasmhosttest.OpUnreachable}): "pulse_alloc failed: unreachable",
	} {
		// The settings are larger, and have their place.
		m := wasmhosttest.Module{Alloc: slices.Concat([]byte{0x20, 0}, wasmhosttest.ConstI32(4), []byte{0x46, 0x04, wasmhosttest.I32}, []byte(body), []byte{0x05}, wasmhosttest.ConstI32(wasmhosttest.InputAt), []byte{0x0b})}
		step, _ := drive(t.Context(), open(t, m, limits), noon)
		if step.Err == nil || !strings.Contains(step.Err.Error(), want) {
			t.Errorf("%v, want %s", step.Err, want)
		}
	}
}

func TestACallerWhoStopsIsNotTheModulesFault(t *testing.T) {
	t.Parallel()
	s := open(t, wasmhosttest.Module{}, limits)
	ctx, cancel := context.WithCancel(t.Context())
	step := s.Poll(ctx, noon)
	if step.Err != nil {
		t.Fatal(step.Err)
	}
	cancel()
	if step := s.Next(ctx, []adapter.Reply{adapter.Int(3)}); !errors.Is(step.Err, context.Canceled) {
		t.Errorf("%+v", step)
	}
	if step, _ := drive(t.Context(), s, noon); step.Err != nil {
		t.Error("it waits although it did nothing wrong: ", step.Err)
	}
}

func TestAHostThatAnswersWrongIsToldSo(t *testing.T) {
	t.Parallel()
	s := open(t, wasmhosttest.Module{}, limits)
	if step := s.Next(t.Context(), nil); !errors.Is(step.Err, adapter.ErrReplies) {
		t.Errorf("before a Poll: %+v", step)
	}
	s.Poll(t.Context(), noon)
	if step := s.Next(t.Context(), make([]adapter.Reply, 2)); !errors.Is(step.Err, adapter.ErrReplies) {
		t.Errorf("too many: %+v", step)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	if step := s.Next(t.Context(), make([]adapter.Reply, 1)); step.Err == nil || !strings.Contains(step.Err.Error(), "is closed") {
		t.Errorf("after its end: %+v", step)
	}
}

// TestAResultThatOverlapsTheInputStaysAsItWasRead has a module that answers from where the host writes its replies,
// and then with these replies themselves, and one whose next snapshot takes the last one's place.
func TestAResultThatOverlapsTheInputStaysAsItWasRead(t *testing.T) {
	t.Parallel()
	var m wasmhosttest.Module
	m.Poll = m.Answer("R*2\r\n$4\r\nLLEN\r\n$4\r\njobs\r\n")
	// Settings are larger than the replies, and have a place elsewhere.
	m.Alloc = slices.Concat([]byte{0x20, 0}, wasmhosttest.ConstI32(4), []byte{0x46, 0x04, wasmhosttest.I32}, wasmhosttest.ConstI32(wasmhosttest.TextsAt+11), []byte{0x05}, wasmhosttest.ConstI32(wasmhosttest.InputAt), []byte{0x0b})
	m.Next = wasmhosttest.Result(wasmhosttest.TextsAt+11, 4)
	s := open(t, m, limits)
	step := s.Poll(t.Context(), noon)
	if len(step.Requests) != 1 || !slices.Equal(step.Requests[0], adapter.Request{"LLEN", "jobs"}) {
		t.Fatalf("%+v", step)
	}
	last := s.Next(t.Context(), []adapter.Reply{adapter.Int(3)})
	if last.Err == nil || !strings.Contains(last.Err.Error(), "its result has the tag ':'") {
		t.Errorf("its own input as a result is %+v", last)
	}
	if !slices.Equal(step.Requests[0], adapter.Request{"LLEN", "jobs"}) {
		t.Errorf("the request became %q", step.Requests[0])
	}

	// pulse_poll changes the first letter of the queue's name where the last snapshot stands.
	m = wasmhosttest.Module{}
	answer := m.Answer(wasmhosttest.GoodSnapshot)
	name := int32(wasmhosttest.TextsAt + strings.Index(wasmhosttest.GoodSnapshot, "jobs"))
	m.Poll = slices.Concat(wasmhosttest.ConstI32(name), wasmhosttest.ConstI32(name), []byte{0x2d, 0, 0}, wasmhosttest.ConstI32(1), []byte{0x6a, 0x3a, 0, 0}, answer) // i32.load8_u, i32.add, i32.store8
	s = open(t, m, limits)
	first, second := s.Poll(t.Context(), noon), s.Poll(t.Context(), noon)
	if first.Err != nil || second.Err != nil || first.Snapshot.Queues[0].Name != "kobs" || second.Snapshot.Queues[0].Name != "lobs" {
		t.Errorf("%+v, then %+v", first, second)
	}
}

// TestAnInstanceThatGrowsPageByPageCostsTwiceItsMemory: what it had before is copied seldom, as that is garbage. No other test
// runs beside it, for it counts what the process allocates.
func TestAnInstanceThatGrowsPageByPageCostsTwiceItsMemory(t *testing.T) { //nolint:paralleltest // see above
	var m wasmhosttest.Module
	grow := []byte{wasmhosttest.OpLoop, 0x40, wasmhosttest.OpI32Const, 1, wasmhosttest.OpGrowMemory, 0, wasmhosttest.OpI32Const, 0x7f,
		0x47 /* i32.ne */, 0x0d /* br_if */, 0, 0x0b}
	m.Poll = slices.Concat(grow, m.Answer(wasmhosttest.GoodSnapshot))
	s := open(t, m, wasmhost.Options{})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	step := s.Poll(t.Context(), noon)
	runtime.ReadMemStats(&after)
	const most = 64 << 20
	if used := s.(*wasmhost.Session).Usage().Memory; step.Err != nil || used != most {
		t.Fatalf("%+v, it has %d bytes", step, used)
	}
	if cost := after.TotalAlloc - before.TotalAlloc; cost > 2*most+1<<20 {
		t.Errorf("%d bytes were allocated for %d", cost, most)
	}
}

// TestNeighboursNeverNotice polls a good module beside each hostile one.
func TestNeighboursNeverNotice(t *testing.T) {
	t.Parallel()
	good := open(t, wasmhosttest.Module{}, limits)
	for name, c := range hostile() {
		bad := open(t, c.made, limitsFor(c.want))
		good.Poll(t.Context(), noon)
		drive(t.Context(), bad, noon)
		if step := good.Next(t.Context(), []adapter.Reply{adapter.Int(3)}); step.Snapshot == nil {
			t.Errorf("beside %s: %+v", name, step)
		}
	}
}

// TestOneModuleHasManySessions is also for the race detector.
func TestOneModuleHasManySessions(t *testing.T) {
	t.Parallel()
	module, err := load(t, wasmhosttest.Module{}, limits)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			s, err := module.Open(t.Context(), adapter.Settings{"app": "shop"})
			if err != nil {
				t.Error(err)
				return
			}
			for range 10 {
				if step, _ := drive(t.Context(), s, noon); step.Snapshot == nil {
					t.Errorf("%+v", step)
				}
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

// TestTheHostSetsSourceAndTime: the newest snapshot wins, so a module must not choose its time.
func TestTheHostSetsSourceAndTime(t *testing.T) {
	t.Parallel()
	var m wasmhosttest.Module
	m.Poll = m.Answer(strings.Replace(wasmhosttest.GoodSnapshot, `1764000000000,"app":"shop"`, `9000000000000,"app":"shop","source":"another"`, 1))
	module, err := load(t, m, limits)
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{"", "redis"} {
		s, err := module.Open(t.Context(), adapter.Settings{"app": "shop", "source": source})
		if err != nil {
			t.Fatal(err)
		}
		step := s.Poll(t.Context(), noon)
		if step.Err != nil || step.Snapshot.Source != source || step.Snapshot.Timestamp != noon.UnixMilli() {
			t.Errorf("%+v, %v", step.Snapshot, step.Err)
		}
	}
}

func TestACallerThatIsOutOfTimeDoesNotStopTheModule(t *testing.T) {
	t.Parallel()
	s := open(t, wasmhosttest.Module{}, limits)
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(time.Hour))
	defer cancel()
	if step := s.Poll(ctx, noon); step.Err != nil {
		t.Fatal(step.Err)
	}
	over, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	if step := s.Next(over, []adapter.Reply{adapter.Int(3)}); !errors.Is(step.Err, context.DeadlineExceeded) {
		t.Errorf("%+v", step)
	}
	if s.(*wasmhost.Session).Usage().Memory == 0 {
		t.Error("its instance was closed, and what it remembered is gone")
	}
	if step, _ := drive(t.Context(), s, noon); step.Snapshot == nil {
		t.Errorf("%+v", step)
	}
}

// forever is a module that never returns from a poll.
func forever() wasmhosttest.Module {
	return wasmhosttest.Module{Poll: []byte{wasmhosttest.OpLoop, 0x40, wasmhosttest.OpBr, 0, 0x0b, wasmhosttest.OpUnreachable}}
}

// TestACallersDeadlineIsTheModulesFaultOnlyWhereItUsedHalfOfItsTime polls twice: a module at fault says the second time why it
// waits, and one that is not is started again at once.
func TestACallersDeadlineIsTheModulesFaultOnlyWhereItUsedHalfOfItsTime(t *testing.T) {
	t.Parallel()
	const deadline = time.Second
	for _, c := range []struct {
		runTime time.Duration
		want    string
	}{
		{time.Hour, "stopped by the caller: context deadline exceeded"},
		{deadline, "it was closed, and will be started again: pulse_poll failed: it ran until its time was over"},
	} {
		s := open(t, forever(), wasmhost.Options{RunTime: c.runTime})
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), deadline)
			step := s.Poll(ctx, noon)
			cancel()
			if step.Err == nil || step.Err.Error() != c.want || errors.Is(step.Err, context.DeadlineExceeded) != (c.runTime == time.Hour) {
				t.Errorf("run time %v: %v, want %s", c.runTime, step.Err, c.want)
			}
			if used := s.(*wasmhost.Session).Usage(); used.Memory != 0 {
				t.Errorf("run time %v: it was stopped within a call, and still holds %d bytes", c.runTime, used.Memory)
			}
		}
	}
}

func TestACallerThatStoppedReadsWhy(t *testing.T) {
	t.Parallel()
	why := errors.New("the program ends")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	over, cancelOver := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancelOver()
	module, err := load(t, wasmhosttest.Module{}, limits)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		ctx  context.Context
		is   []error
		want string
	}{
		{ctx, []error{why, context.Canceled}, "stopped by the caller: context canceled: the program ends"},
		{over, []error{context.DeadlineExceeded}, "stopped by the caller: context deadline exceeded"},
	} {
		_, loaded := wasmhost.Load(c.ctx, wasmhosttest.Module{}.Bytes(), limits)
		_, opened := module.Open(c.ctx, adapter.Settings{"app": "shop"})
		for _, err := range []error{loaded, opened} {
			if err == nil || err.Error() != c.want {
				t.Errorf("%v, want %s", err, c.want)
			}
			for _, is := range c.is {
				if !errors.Is(err, is) {
					t.Errorf("%v is not %v", err, is)
				}
			}
		}
	}
}

// TestAModuleThatIsClosedIsNotStartedAgain closes it before a poll, within one, and while it computes.
func TestAModuleThatIsClosedIsNotStartedAgain(t *testing.T) {
	t.Parallel()
	const want = "its module is closed: load it again"
	for name, made := range map[string]wasmhosttest.Module{"good": {}, "endless": forever()} {
		module, err := load(t, made, wasmhost.Options{RunTime: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		s, err := module.Open(t.Context(), adapter.Settings{"app": "shop"})
		if err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		if name == "good" {
			s.Poll(t.Context(), noon)
			_ = module.Close(t.Context())
			if step := s.Next(t.Context(), []adapter.Reply{adapter.Int(3)}); step.Err == nil || step.Err.Error() != want {
				t.Errorf("%s: within a poll: %+v", name, step)
			}
		} else {
			group.Go(func() { _ = module.Close(context.Background()) })
		}
		for range 2 {
			if step := s.Poll(t.Context(), noon); step.Err == nil || step.Err.Error() != want {
				t.Errorf("%s: %+v", name, step)
			}
		}
		group.Wait()
		if _, err := module.Open(t.Context(), adapter.Settings{"app": "shop"}); err == nil || err.Error() != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestADescriptionHasNoControlCharacters(t *testing.T) {
	t.Parallel()
	var m wasmhosttest.Module
	m.Describe = m.Answer(`{"name":"test","version":"\u001b[31m1.2\n\u0007\u009b\u007f\u202e","source":"redis","commands":["LLEN"]}`)
	module, err := load(t, m, limits)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := module.Describe().Version, " [31m1.2     "; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	session, err := module.Open(t.Context(), adapter.Settings{"app": "shop"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := session.(*wasmhost.Session).Describe().Version, " [31m1.2     "; got != want {
		t.Errorf("once it is open %q, want %q", got, want)
	}
}

// TestWhatItSaysOnceItIsOpenIsCheckedToo: the module of the built-in adapters describes another adapter
// then, and a hostile one could another source.
func TestWhatItSaysOnceItIsOpenIsCheckedToo(t *testing.T) {
	t.Parallel()
	var m wasmhosttest.Module
	good := m.Answer(wasmhosttest.GoodDescription)
	bad := m.Answer(`{"name":"test","version":"1","source":"sqs","commands":["DEL"]}`)
	opened := len(m.Texts)
	m.Texts = append(m.Texts, 0, 0, 0, 0)
	at := wasmhosttest.ConstI32(int32(wasmhosttest.TextsAt + opened))
	m.Open = slices.Concat(at, wasmhosttest.ConstI32(1), []byte{0x36, 0, 0}, m.Answer("K"))                           // i32.store
	m.Describe = slices.Concat(at, []byte{0x28, 0, 0, 0x04, wasmhosttest.I64}, bad, []byte{0x05}, good, []byte{0x0b}) // if it is open
	module, err := load(t, m, limits)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := module.Open(t.Context(), adapter.Settings{"app": "shop"}); err == nil || !strings.Contains(err.Error(), `commands has "DEL"`) {
		t.Error(err)
	}
}

// TestWorkWithoutALoopIsStopped fills 64 MiB 1,900 times in a row.
func TestWorkWithoutALoopIsStopped(t *testing.T) {
	t.Parallel()
	fill := slices.Concat(wasmhosttest.ConstI32(0), wasmhosttest.ConstI32(0), wasmhosttest.ConstI32(64<<20), []byte{0xfc, 11, 0})
	m := wasmhosttest.Module{Pages: 1024, Poll: append(bytes.Repeat(fill, 1900), wasmhosttest.OpUnreachable)}
	step := open(t, m, wasmhost.Options{RunTime: 3 * time.Second}).Poll(t.Context(), noon)
	if step.Err == nil || !strings.Contains(step.Err.Error(), "pulse_poll failed: it ran until its time was over") {
		t.Errorf("%+v", step)
	}
}

// slowLog counts its lines, each of which takes half a second: a host call that takes as long.
type slowLog struct {
	slog.Handler
	lines *atomic.Int32
}

func (slowLog) Enabled(context.Context, slog.Level) bool { return true }

func (l slowLog) Handle(context.Context, slog.Record) error {
	l.lines.Add(1)
	time.Sleep(500 * time.Millisecond)
	return nil
}

// printing is the start of a module that may call fd_write as 0 and poll_oneoff as 1. Of the two bodies the first prints a
// line and the second has one event happen, and each leaves the error's number.
func printing(pages uint64) (m wasmhosttest.Module, write, wait func(count int32) []byte) {
	m.Pages = pages
	for _, name := range []string{"fd_write", "poll_oneoff"} {
		m.Imports = append(m.Imports, wasmhosttest.Import{Module: wasmhost.WASI, Name: name, Of: []byte{wasmhosttest.TypeFourToI32}})
	}
	m.Texts = binary.LittleEndian.AppendUint32(m.Texts, wasmhosttest.TextsAt+8)
	m.Texts = append(binary.LittleEndian.AppendUint32(m.Texts, 6), "hello\n"...)
	call := func(function byte, arguments ...int32) (body []byte) {
		for _, n := range arguments {
			body = append(body, wasmhosttest.ConstI32(n)...)
		}
		return append(body, wasmhosttest.OpCall, function)
	}
	const in, out = 1 << 17, 1 << 18 // both are zeros
	write = func(count int32) []byte {
		if count == 1 {
			return call(0, 1, wasmhosttest.TextsAt, 1, 0)
		}
		return call(0, 1, in, count, 0)
	}
	return m, write, func(count int32) []byte { return call(1, in, out, count, 0) }
}

// TestHostCallsInARowAreStopped has a module print a line, in which its time ends, and then make calls without a loop. The last of
// them prints another line, which nobody is to see.
func TestHostCallsInARowAreStopped(t *testing.T) {
	t.Parallel()
	m, write, wait := printing(8)
	drop := []byte{wasmhosttest.OpDrop}
	for name, second := range map[string][]byte{"fd_write": write(1024), "poll_oneoff": wait(1024)} {
		body := slices.Concat(write(1), drop, second, drop, write(1), drop)
		started, polled := m, m
		started.Start = body
		polled.Poll = append(body, polled.Answer(wasmhosttest.GoodSnapshot)...)
		slow := func() (wasmhost.Options, *atomic.Int32) {
			lines := new(atomic.Int32)
			return wasmhost.Options{RunTime: 300 * time.Millisecond, Log: slog.New(slowLog{lines: lines})}, lines
		}
		t.Run(name+" in pulse_poll", func(t *testing.T) {
			t.Parallel()
			o, lines := slow()
			step := open(t, polled, o).Poll(t.Context(), noon)
			if step.Err == nil || !strings.Contains(step.Err.Error(), "pulse_poll failed: it ran until its time was over") || lines.Load() != 1 {
				t.Errorf("%+v, %d lines", step, lines.Load())
			}
		})
		t.Run(name+" in the start section", func(t *testing.T) {
			t.Parallel()
			o, lines := slow()
			_, err := load(t, started, o)
			if err == nil || err.Error() != "it cannot be started: it ran until its time was over" || lines.Load() != 1 {
				t.Errorf("%v, %d lines", err, lines.Load())
			}
		})
		t.Run(name+" of a trusted module", func(t *testing.T) {
			t.Parallel()
			o, lines := slow()
			o.Trusted = true
			if step := open(t, polled, o).Poll(t.Context(), noon); step.Snapshot == nil || lines.Load() != 2 {
				t.Errorf("%+v, %d lines", step, lines.Load())
			}
		})
	}
}

// TestAHostCallHasABoundedNumberOfParts: 8 million texts of no bytes take the host a tenth of a second.
func TestAHostCallHasABoundedNumberOfParts(t *testing.T) {
	t.Parallel()
	const success, invalid = 0, 28
	m, write, wait := printing(8)
	for _, c := range []struct {
		call  []byte
		errno int32
	}{
		{write(1), success}, {write(1024), success}, {write(1025), invalid}, {write(-1), invalid},
		{wait(1), success}, {wait(1024), success}, {wait(1025), invalid}, {wait(-1), invalid}, {wait(0), invalid},
	} {
		mustBe := slices.Concat(wasmhosttest.ConstI32(c.errno), []byte{0x47, 0x04, 0x40, wasmhosttest.OpUnreachable, 0x0b}) // i32.ne, if
		m.Poll = slices.Concat(m.Poll, c.call, mustBe)
	}
	m.Poll = append(m.Poll, m.Answer(wasmhosttest.GoodSnapshot)...)
	if step := open(t, m, limits).Poll(t.Context(), noon); step.Snapshot == nil {
		t.Errorf("%+v", step)
	}
}

func TestWhatWouldTakeTooLongToCompileIsRefused(t *testing.T) {
	t.Parallel()
	repeated := func(n int, code ...byte) wasmhosttest.Module {
		return wasmhosttest.Module{Poll: append(bytes.Repeat(code, n), wasmhosttest.OpUnreachable)}
	}
	nested := repeated(10_001, wasmhosttest.OpLoop, 0x40)
	nested.Poll = append(nested.Poll, bytes.Repeat([]byte{0x0b}, 10_001)...)
	table := wasmhosttest.Module{Poll: slices.Concat(wasmhosttest.ConstI32(0), []byte{0x0e}, binary.AppendUvarint(nil, 20_001), make([]byte, 20_002), []byte{wasmhosttest.OpUnreachable})}
	for want, m := range map[string]wasmhosttest.Module{
		"function 4: its blocks nest deeper than 10000":                           nested,
		"function 4: it has more than 20000 blocks":                               repeated(20_001, 0x02, 0x40, 0x0b),
		"function 4: its jump tables have more than 20000 places":                 table,
		"function 4: it has more than 2000 instructions that work on much memory": repeated(2001, 0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 11, 0),
		"function 4: it has the instruction 0x12, which is not known here":        repeated(1, 0x12, 0),
	} {
		if _, err := load(t, m, limits); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(wasmhosttest.Module{}.Bytes())
	for _, c := range hostile() {
		f.Add(c.made.Bytes())
	}
	f.Add(wasmhosttest.Module{Tables: []byte{1, 0x70, 0, 4}}.Bytes())
	f.Fuzz(func(t *testing.T, wasm []byte) {
		module, err := wasmhost.Load(t.Context(), wasm, fuzzLimits)
		if err != nil {
			if module != nil || err.Error() == "" {
				t.Errorf("%v, %v", module, err)
			}
			return
		}
		defer module.Close(t.Context())
		if s, err := module.Open(t.Context(), adapter.Settings{"app": "shop"}); err == nil {
			drive(t.Context(), s, noon)
			_ = s.Close()
		}
	})
}

// FuzzResults hands the host anything in each place where a module answers.
func FuzzResults(f *testing.F) {
	for place, texts := range [][]string{
		{wasmhosttest.GoodDescription, `{"name":5}`}, {"K", "Eno"}, {"R*2\r\n$4\r\nLLEN\r\n$4\r\njobs\r\n", wasmhosttest.GoodSnapshot, "Eno"}, {wasmhosttest.GoodSnapshot, "S{}", "R*1\r\n$-1\r\n"},
	} {
		for _, text := range texts {
			f.Add(byte(place), text)
		}
	}
	f.Fuzz(func(t *testing.T, place byte, text string) {
		var m wasmhosttest.Module
		switch place % 4 {
		case 0:
			m.Describe = m.Answer(text)
		case 1:
			m.Open = m.Answer(text)
		case 2:
			m.Poll = m.Answer(text)
		case 3:
			m.Next = m.Answer(text)
		}
		module, err := wasmhost.Load(t.Context(), m.Bytes(), fuzzLimits)
		if err != nil {
			return
		}
		defer module.Close(t.Context())
		s, err := module.Open(t.Context(), adapter.Settings{"app": "shop"})
		if err != nil {
			return
		}
		step, asked := drive(t.Context(), s, noon)
		if asked > adapter.MaxRounds*adapter.MaxRequests {
			t.Errorf("asked %d", asked)
		}
		if step.Snapshot == nil {
			if step.Err == nil || len(step.Err.Error()) > 2000 || strings.ContainsAny(step.Err.Error(), "\x00\x1b") {
				t.Errorf("%q", step.Err)
			}
			return
		}
		if step.Snapshot.App != "shop" {
			t.Errorf("%+v", step.Snapshot)
		}
		if _, err := step.Snapshot.Encode(); err != nil {
			t.Error(err)
		}
	})
}

// TestWhatIsClosedIsFreed starts and closes many instances, each with 4 MiB of memory, that trap. What is left is
// measured when collecting frees no more; a tenth of what leaks would keep is room for what else the heap holds.
func TestWhatIsClosedIsFreed(t *testing.T) {
	const instances, leak = 300, 300 * 4 << 20
	s := open(t, wasmhosttest.Module{Pages: 64, Poll: []byte{wasmhosttest.OpUnreachable}}, limits)
	heap := func() (least int64) {
		least = math.MaxInt64
		for useless := 0; useless < 5; {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			if now := int64(m.HeapAlloc); now < least-1<<20 { //nolint:gosec // far from its end
				least, useless = now, 0
			} else {
				least, useless = min(now, least), useless+1
			}
		}
		return least
	}
	at := noon
	poll := func(times int) {
		for range times {
			if step := s.Poll(t.Context(), at); step.Err == nil {
				t.Fatal("it does not trap")
			}
			at = at.Add(time.Hour)
		}
	}
	poll(10)
	before := heap()
	poll(instances)
	if more := heap() - before; more > leak/10 {
		t.Errorf("after %d instances of 4 MiB the heap has %d MiB more", instances, more>>20)
	}
}

// TestACacheThatIsBrokenIsMadeAnew flips a bit in each part of what is kept of a module, cuts it, and puts
// something else in its place.
func TestACacheThatIsBrokenIsMadeAnew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := limits
	o.CacheDir = dir
	works := func(what string) {
		s := open(t, wasmhosttest.Module{}, o)
		if step, _ := drive(t.Context(), s, noon); step.Snapshot == nil {
			t.Errorf("%s: %+v", what, step)
		}
	}
	works("at first")
	entries, err := filepath.Glob(dir + "/*/*/*")
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, %v", entries, err)
	}
	whole, err := os.ReadFile(entries[0])
	if err != nil {
		t.Fatal(err)
	}
	breakIt := func(data []byte) {
		if err := os.WriteFile(entries[0], data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; i < len(whole); i += max(len(whole)/100, 1) {
		broken := slices.Clone(whole)
		broken[i] ^= 0x10
		breakIt(broken)
		works(fmt.Sprintf("a bit of byte %d is another", i))
		if mended, err := os.ReadFile(entries[0]); err != nil || !bytes.Equal(mended, whole) {
			t.Fatalf("byte %d is still broken, or gone: %v", i, err)
		}
	}
	breakIt(whole[:len(whole)/2])
	works("cut")
	breakIt(nil)
	works("empty")
	if err := os.Remove(filepath.Join(filepath.Dir(filepath.Dir(entries[0])), "sums")); err != nil {
		t.Fatal(err)
	}
	works("without its checksum")
	if err := errors.Join(os.Remove(entries[0]), os.Mkdir(entries[0], 0o700)); err != nil {
		t.Fatal(err)
	}
	works("a folder")
}
