package wasmhost

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/sys"
)

// Only the files wazero*.go know wazero, so that another engine can take its place.

// engine is a compiled module.
type engine struct {
	runtime wazero.Runtime
	cache   wazero.CompilationCache // nil where there is none
	module  wazero.CompiledModule
}

// instance is a module with memory of its own. It is for one call at a time.
type instance struct {
	module api.Module
}

const pageSize = 64 << 10

// warm has the engine find out its version. It keeps that in a variable which nothing guards, where later calls only read it.
var warm = sync.OnceFunc(func() {
	_ = wazero.NewRuntime(context.Background()).Close(context.Background())
})

// compile compiles a module. A cache that cannot be used is done without: it only saves time.
func compile(ctx context.Context, wasm []byte, o Options) (*engine, error) {
	warm()
	if o.CacheDir != "" {
		if e, err := compileCached(ctx, wasm, o); err == nil {
			return e, nil
		}
	}
	return compileWith(ctx, wasm, o, nil)
}

func compileCached(ctx context.Context, wasm []byte, o Options) (_ *engine, err error) {
	dir := cacheOf(o.CacheDir, wasm)
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = cache.Close(ctx)
		}
	}()
	intact, err := discardBroken(dir)
	if err != nil {
		return nil, err
	}
	e, err := compileWith(ctx, wasm, o, cache)
	if err != nil {
		return nil, err
	}
	_ = noteSums(dir, intact) // what has no checksum is compiled again
	return e, nil
}

func compileWith(ctx context.Context, wasm []byte, o Options, cache wazero.CompilationCache) (_ *engine, err error) {
	config := wazero.NewRuntimeConfig().
		WithMemoryLimitPages(uint32(o.memory() / pageSize)).
		WithCloseOnContextDone(!o.Trusted).
		WithDebugInfoEnabled(false)
	if cache != nil {
		config = config.WithCompilationCache(cache)
	}
	runtime := wazero.NewRuntimeWithConfig(ctx, config)
	defer func() {
		if failure := recover(); failure != nil { // a defect of the engine's is not to end the program
			err = fmt.Errorf("the engine failed: %.200v", failure)
		}
		if err != nil {
			_ = runtime.Close(ctx)
		}
	}()
	module, err := runtime.CompileModule(ctx, wasm)
	if err != nil {
		return nil, errors.New(firstLine(err))
	}
	if err := makeWASI(ctx, runtime, !o.Trusted); err != nil {
		return nil, fmt.Errorf("make WASI: %w", err)
	}
	return &engine{runtime, cache, module}, nil
}

// checkExports checks that the module has the functions that the host calls.
func (e *engine) checkExports() error {
	i32, i64 := api.ValueTypeI32, api.ValueTypeI64
	exported := e.module.ExportedFunctions()
	var missing []string
	for _, f := range []struct {
		name            string
		params, results []api.ValueType
	}{
		{"pulse_abi", nil, []api.ValueType{i32}},
		{"pulse_alloc", []api.ValueType{i32}, []api.ValueType{i32}},
		{"pulse_describe", nil, []api.ValueType{i64}},
		{"pulse_open", []api.ValueType{i32, i32}, []api.ValueType{i64}},
		{"pulse_poll", []api.ValueType{i64}, []api.ValueType{i64}},
		{"pulse_next", []api.ValueType{i32, i32}, []api.ValueType{i64}},
	} {
		definition := exported[f.name]
		if definition == nil {
			missing = append(missing, f.name)
			continue
		}
		if !slices.Equal(definition.ParamTypes(), f.params) || !slices.Equal(definition.ResultTypes(), f.results) {
			return fmt.Errorf("it exports %s as %s: it takes %s", f.name,
				signature(definition.ParamTypes(), definition.ResultTypes()), signature(f.params, f.results))
		}
	}
	if e.module.ExportedMemories()["memory"] == nil {
		missing = append(missing, "memory")
	}
	if len(missing) > 0 {
		return fmt.Errorf("it does not export %s: it is no adapter, or its build leaves them out", strings.Join(missing, ", "))
	}
	return nil
}

func signature(params, results []api.ValueType) string {
	names := func(types []api.ValueType) string {
		out := make([]string, len(types))
		for i, t := range types {
			out[i] = api.ValueTypeName(t)
		}
		return "(" + strings.Join(out, ", ") + ")"
	}
	return names(params) + " → " + names(results)
}

// start makes an instance. It runs the module's own start, if it has one, and then _initialize.
func (e *engine) start(ctx context.Context) (_ *instance, err error) {
	defer func() {
		if failure := recover(); failure != nil {
			err = &trap{"it cannot be started", fmt.Sprintf("the engine failed: %.200v", failure)}
		}
	}()
	config := wazero.NewModuleConfig().
		WithName(""). // so that there may be several
		WithStartFunctions()
	module, err := e.runtime.InstantiateModule(experimental.WithMemoryAllocator(ctx, allocate), e.module, config)
	if err != nil {
		return nil, &trap{"it cannot be started", reason(ctx, err)}
	}
	i := &instance{module}
	if module.ExportedFunction("_initialize") != nil {
		if _, err := i.call(ctx, "_initialize"); err != nil {
			i.close(ctx)
			return nil, err
		}
	}
	return i, nil
}

// call calls one of the module's functions, all of which have one result or none.
func (i *instance) call(ctx context.Context, name string, arguments ...uint64) (uint64, error) {
	results, err := i.module.ExportedFunction(name).Call(ctx, arguments...)
	if err != nil {
		return 0, &trap{name + " failed", reason(ctx, err)}
	}
	if len(results) == 0 {
		return 0, nil
	}
	return results[0], nil
}

// trap is the error of a call from which the module did not return.
type trap struct {
	what   string
	reason string
}

func (t *trap) Error() string { return t.what + ": " + t.reason }

// reason is why a module did not return.
func reason(ctx context.Context, err error) string {
	var exit *sys.ExitError
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return "it ran until its time was over"
	case ctx.Err() != nil:
		return "it was told to stop"
	case errors.As(err, &exit):
		return fmt.Sprintf("it ended itself with exit status %d", exit.ExitCode())
	}
	return firstLine(err)
}

// firstLine is an error without the stack of the module's functions, which have foreign names.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	line = strings.TrimSuffix(strings.TrimPrefix(line, "wasm error: "), " (recovered by wazero)")
	return sentence([]byte(line)) // it may have names of the module's
}

// read is part of the instance's memory, until its next call; not ok where that has no such part.
func (i *instance) read(at, size uint32) ([]byte, bool) { return i.module.Memory().Read(at, size) }

func (i *instance) write(at uint32, data []byte) bool { return i.module.Memory().Write(at, data) }

// memory is the size of the instance's memory in bytes.
func (i *instance) memory() int64 { return int64(i.module.Memory().Size()) }

func (i *instance) close(ctx context.Context) { _ = i.module.Close(ctx) }

func (e *engine) close(ctx context.Context) error {
	err := e.runtime.Close(ctx)
	if e.cache != nil {
		err = errors.Join(err, e.cache.Close(ctx))
	}
	return err
}
