// Package wasmhost runs adapters that are WebAssembly modules, with wazero: the built-in adapters inside a foreign
// program, or a foreign adapter inside ours.
//
// [Load] compiles a module, [Module.Open] starts an instance. A [Module] is an ordinary adapter.Adapter.
//
// A module only computes. It has no clock, no files, no network and no environment; it asks the host for data, and
// the host sends only commands that read. No instance can stop its host: memory, run time, requests and log lines are
// bounded. The host closes an instance that breaks a bound, and starts it again later. What is not bounded is what
// compiling a module takes: of 15 MB that were made for it, 20 s and 1 GB. Nor is the stack of an instance's calls within
// its memory: a recursion of 478 bytes takes 300 MB, until the engine ends it or it returns.
package wasmhost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// Options are the limits of a module and the places it uses. The zero value has the adapter ABI's own limits.
type Options struct {
	Memory  int64         // the most memory in bytes that an instance has beside its stack, at most 4 GiB; 0 is 64 MiB
	RunTime time.Duration // the longest that an instance computes in one poll; 0 is 5 s

	// Trusted is for a module that you built yourself: it runs several times faster, because nothing
	// looks at its run time, and it cannot be stopped.
	Trusted bool
	// CacheDir is a directory of compiled modules, which load several times faster; "" is none. What
	// is in it runs with the rights of this program: no other user may write there. An entry is for one
	// version of wazero and one kind of processor; where none fits, the module is compiled.
	CacheDir string
	// Strict is for an author's tests: a snapshot of which a reader would leave something out is an error
	// that says what. Without it the rest is used, and what is left out is among the snapshot's problems.
	Strict bool
	// Log takes what instances print, of a minute 8 KiB in 100 lines; nil drops it.
	Log *slog.Logger
}

const (
	defaultMemory  = 64 << 20
	defaultRunTime = 5 * time.Second
)

func (o *Options) memory() int64 {
	if o.Memory <= 0 {
		return defaultMemory
	}
	const most = 1 << 32 // of what 32 bits can address
	return min(max(o.Memory, pageSize), most)
}

func (o *Options) runTime() time.Duration {
	if o.RunTime <= 0 {
		return defaultRunTime
	}
	return o.RunTime
}

// Module is a compiled adapter. It is safe for concurrent use; its sessions are for one poll at a time.
type Module struct {
	engine  *engine
	about   adapter.Description
	options Options
	closed  atomic.Bool
}

var errModuleClosed = errors.New("its module is closed: load it again")

// Load compiles a module and asks it for its description. The error says what is wrong with the module.
func Load(ctx context.Context, wasm []byte, o Options) (*Module, error) {
	wasm, err := bounded(wasm, o.Trusted)
	if err != nil {
		return nil, err
	}
	e, err := compile(ctx, wasm, o)
	if err != nil {
		return nil, fmt.Errorf("it cannot be compiled: %w", err)
	}
	m := &Module{engine: e, options: o}
	if err := e.checkExports(); err != nil {
		_ = m.Close(ctx)
		return nil, err
	}
	// An instance only to be asked, and gone again.
	guest, err := m.start(ctx)
	if err == nil {
		m.about, err = guest.describe(ctx)
		guest.instance.close(ctx)
	}
	if err != nil {
		_ = m.Close(ctx)
		return nil, err
	}
	return m, nil
}

// Describe is the module's own description. The built-in module says which of its adapters it is only once that
// adapter is open: see [Session.Describe].
func (m *Module) Describe() adapter.Description { return m.about }

// Open starts an instance with these settings. A setting that the adapter doesn't take is an error in
// the adapter's words.
func (m *Module) Open(ctx context.Context, settings adapter.Settings) (adapter.Session, error) {
	s := &Session{module: m, settings: adapter.AppendSettings(nil, settings), app: settings["app"], source: settings["source"]}
	if err := protocol.CheckName("app", s.app); err != nil {
		return nil, err
	}
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Close frees the module. A poll of its sessions then only says so.
func (m *Module) Close(ctx context.Context) error {
	m.closed.Store(true)
	return m.engine.close(ctx)
}

func (m *Module) start(ctx context.Context) (*guest, error) {
	if m.closed.Load() {
		return nil, errModuleClosed
	}
	g := &guest{isStranger: !m.options.Trusted, log: &lines{log: m.options.Log, name: m.about.Name}, left: m.options.runTime(), most: m.options.runTime()}
	err := g.timed(ctx, func(ctx context.Context) (err error) {
		g.instance, err = m.engine.start(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	abi, err := g.call(ctx, "pulse_abi")
	if err == nil && uint32(abi) != 1 {
		err = fmt.Errorf("it speaks version %d of the adapter ABI: this host speaks 1", uint32(abi))
	}
	if err != nil {
		g.instance.close(ctx)
		return nil, err
	}
	return g, nil
}

// Bounds of a description.
const (
	maxDescription = 64 << 10
	maxCommands    = 100
)

func (g *guest) describe(ctx context.Context) (adapter.Description, error) {
	data, err := g.result(ctx, "pulse_describe", maxDescription)
	if err != nil {
		return adapter.Description{}, err
	}
	about, err := protocol.ReadObject(data)
	if err != nil {
		return adapter.Description{}, fmt.Errorf("its description is %.80q: %w", data, err)
	}
	d := adapter.Description{
		Name: about.Text("name"), Version: about.Text("version"), Source: adapter.Source(about.Text("source")), Commands: about.Texts("commands"),
		IsStranger: g.isStranger,
	}
	switch {
	case !protocol.ValidName(d.Name):
		err = protocol.CheckName("name", d.Name)
	case d.Source != adapter.Redis && d.Source != adapter.SQS:
		err = fmt.Errorf("source is %.80q: it takes redis or sqs", d.Source)
	case len(d.Commands) == 0 || len(d.Commands) > maxCommands:
		err = fmt.Errorf("commands are %d: it takes those that it asks, 1 to %d", len(d.Commands), maxCommands)
	default:
		err = checkCommands(d)
	}
	if err != nil {
		return adapter.Description{}, fmt.Errorf("of its description %w", err)
	}
	d.Version = protocol.Shorten(oneLine([]byte(d.Version)), 80) // the other texts take no such characters
	return d, nil
}

// checkCommands refuses a description that has commands which no host would send.
func checkCommands(d adapter.Description) error {
	allowed := map[string]bool{}
	if d.Source == adapter.SQS {
		for _, operation := range adapter.ReadOperations {
			allowed[operation] = true
		}
	} else {
		for _, c := range adapter.ReadCommands() {
			allowed[c.Name] = true
		}
	}
	var others []string
	for _, c := range d.Commands {
		if !allowed[c] {
			others = append(others, adapter.Quote(c, 40))
		}
	}
	if len(others) > 0 {
		return errors.New("commands has " + strings.Join(others, ", ") + ": a host sends only what reads, by the names that Redis, in capitals, or AWS has for it")
	}
	return nil
}
