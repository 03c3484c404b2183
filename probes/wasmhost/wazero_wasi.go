package wasmhost

import (
	"context"
	"encoding/binary"
	"io"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"
)

// WASI for adapters: a clock that stands still, no files, no network, no arguments, no environment and the same
// random bytes each time. wazero's own WASI does all of that for real; without it a Lambda function is a quarter of
// a megabyte smaller.

// Numbers of WASI's errors.
const (
	errnoSuccess = 0
	errnoBadFile = 8
	errnoFault   = 21
	errnoInvalid = 28
	errnoNoSys   = 52
)

// maxParts is how many texts, or events, one call may have, so that none takes long. It is the most that WASI's C
// library lets a program write at once.
const maxParts = 1024

// clockStandsAt is what every clock says, in nanoseconds. Not 0: Go's runtime takes that for a broken one.
const clockStandsAt = 1_000_000_000

// wasiFunction is one of WASI's functions: its parameters, i for an i32 and I for an i64, and what it does
// with them. All but proc_exit return an error's number.
type wasiFunction struct {
	params string
	do     func(ctx context.Context, m api.Module, p []uint64) uint64
}

// answers is a function that does nothing.
func answers(errno uint64) func(context.Context, api.Module, []uint64) uint64 {
	return func(context.Context, api.Module, []uint64) uint64 { return errno }
}

var (
	nothing = answers(errnoSuccess)
	noFile  = answers(errnoBadFile)
	missing = answers(errnoNoSys)
)

// wasiFunctions are all of WASI's functions but those of sockets. A C library imports many that it never
// calls.
var wasiFunctions = map[string]wasiFunction{
	"args_get":       {"ii", nothing},
	"args_sizes_get": {"ii", writeSizes},
	"clock_res_get": {"ii", func(_ context.Context, m api.Module, p []uint64) uint64 {
		return written(m.Memory().WriteUint64Le(uint32(p[1]), 1))
	}},
	"clock_time_get": {"iIi", func(_ context.Context, m api.Module, p []uint64) uint64 {
		return written(m.Memory().WriteUint64Le(uint32(p[2]), clockStandsAt))
	}},
	"environ_get":             {"ii", nothing},
	"environ_sizes_get":       {"ii", writeSizes},
	"fd_advise":               {"iIIi", noFile},
	"fd_allocate":             {"iII", noFile},
	"fd_close":                {"i", noFile},
	"fd_datasync":             {"i", noFile},
	"fd_fdstat_get":           {"ii", describeFile},
	"fd_fdstat_set_flags":     {"ii", noFile},
	"fd_fdstat_set_rights":    {"iII", noFile},
	"fd_filestat_get":         {"ii", noFile},
	"fd_filestat_set_size":    {"iI", noFile},
	"fd_filestat_set_times":   {"iIIi", noFile},
	"fd_pread":                {"iiiIi", noFile},
	"fd_prestat_dir_name":     {"iii", noFile},
	"fd_prestat_get":          {"ii", noFile},
	"fd_pwrite":               {"iiiIi", noFile},
	"fd_read":                 {"iiii", noFile},
	"fd_readdir":              {"iiiIi", noFile},
	"fd_renumber":             {"ii", noFile},
	"fd_seek":                 {"iIii", noFile},
	"fd_sync":                 {"i", noFile},
	"fd_tell":                 {"ii", noFile},
	"fd_write":                {"iiii", printOut},
	"path_create_directory":   {"iii", noFile},
	"path_filestat_get":       {"iiiii", noFile},
	"path_filestat_set_times": {"iiiiIIi", noFile},
	"path_link":               {"iiiiiii", noFile},
	"path_open":               {"iiiiiIIii", noFile},
	"path_readlink":           {"iiiiii", noFile},
	"path_remove_directory":   {"iii", noFile},
	"path_rename":             {"iiiiii", noFile},
	"path_symlink":            {"iiiii", noFile},
	"path_unlink_file":        {"iii", noFile},
	"poll_oneoff":             {"iiii", waitForNothing},
	"proc_exit":               {"i", exit},
	"proc_raise":              {"i", missing},
	"random_get":              {"ii", fill},
	"sched_yield":             {"", nothing},
}

// makeWASI makes the module that others import. Where a module can be stopped, each function first looks at the time: the
// engine does so only in loops, and a module may call a thousand functions in a row.
func makeWASI(ctx context.Context, r wazero.Runtime, stoppable bool) error {
	builder := r.NewHostModuleBuilder(WASI)
	for name, f := range wasiFunctions {
		params := make([]api.ValueType, len(f.params))
		for i, p := range f.params {
			if params[i] = api.ValueTypeI32; p == 'I' {
				params[i] = api.ValueTypeI64
			}
		}
		results := []api.ValueType{api.ValueTypeI32}
		if name == "proc_exit" {
			results = nil
		}
		builder.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, m api.Module, stack []uint64) {
			if !stoppable {
				ctx = context.WithoutCancel(ctx)
			}
			leaveIfOver(ctx)
			errno := f.do(ctx, m, stack[:len(params)])
			if results != nil {
				stack[0] = errno
			}
		}), params, results).Export(name)
	}
	_, err := builder.Instantiate(ctx)
	return err
}

// leaveIfOver ends the instance whose time is over, as the engine does: a call that does not return.
func leaveIfOver(ctx context.Context) {
	if ctx.Err() != nil {
		panic(sys.NewExitError(sys.ExitCodeDeadlineExceeded))
	}
}

// written is the error's number of a write to a guest's memory.
func written(ok bool) uint64 {
	if !ok {
		return errnoFault
	}
	return errnoSuccess
}

// writeSizes says that there are no arguments, or no variables of an environment: 0 of them, in 0 bytes.
func writeSizes(_ context.Context, m api.Module, p []uint64) uint64 {
	return written(m.Memory().WriteUint32Le(uint32(p[0]), 0) && m.Memory().WriteUint32Le(uint32(p[1]), 0))
}

// describeFile says that the standard files are terminals, which are all the files there are.
func describeFile(_ context.Context, m api.Module, p []uint64) uint64 {
	if uint32(p[0]) > 2 {
		return errnoBadFile
	}
	const size, characterDevice = 24, 2
	return written(m.Memory().Write(uint32(p[1]), append([]byte{characterDevice}, make([]byte, size-1)...)))
}

// logKey is where a call's context has the log of the instance that is called.
type logKey struct{}

func withLog(ctx context.Context, log io.Writer) context.Context {
	return context.WithValue(ctx, logKey{}, log)
}

// printOut logs what is written to the standard output and to the standard error.
func printOut(ctx context.Context, m api.Module, p []uint64) uint64 {
	if fd := uint32(p[0]); fd != 1 && fd != 2 {
		return errnoBadFile
	}
	count := uint32(p[2])
	if count > maxParts {
		return errnoInvalid
	}
	log, _ := ctx.Value(logKey{}).(io.Writer)
	const part = 8 // bytes that say where a part is, and how long
	total := uint32(0)
	for i := range count {
		at, ok := m.Memory().Read(uint32(p[1])+i*part, part)
		if !ok {
			return errnoFault
		}
		text, ok := m.Memory().Read(binary.LittleEndian.Uint32(at), binary.LittleEndian.Uint32(at[4:]))
		if !ok {
			return errnoFault
		}
		if log != nil {
			_, _ = log.Write(text)
		}
		total += uint32(len(text))
	}
	return written(m.Memory().WriteUint32Le(uint32(p[3]), total))
}

// waitForNothing is how a program sleeps, or waits for files: each of its events happens at once.
func waitForNothing(_ context.Context, m api.Module, p []uint64) uint64 {
	const subscription, event = 48, 32 // bytes
	in, out, count := uint32(p[0]), uint32(p[1]), uint32(p[2])
	if count == 0 || count > maxParts {
		return errnoInvalid
	}
	for i := range count {
		asked, ok := m.Memory().Read(in+i*subscription, 9)
		if !ok {
			return errnoFault
		}
		happened := make([]byte, event)
		copy(happened, asked[:8]) // what the program calls it
		happened[10] = asked[8]   // its kind
		if !m.Memory().Write(out+i*event, happened) {
			return errnoFault
		}
	}
	return written(m.Memory().WriteUint32Le(uint32(p[3]), count))
}

// exit ends the instance: a call that does not return.
func exit(ctx context.Context, m api.Module, p []uint64) uint64 {
	_ = m.CloseWithExitCode(ctx, uint32(p[0]))
	panic(sys.NewExitError(uint32(p[0])))
}

// fill gives the same bytes each time, so that what an adapter does depends on nothing but what it is
// told. They are those of a small generator (xorshift), no secret.
func fill(ctx context.Context, m api.Module, p []uint64) uint64 {
	bytes, ok := m.Memory().Read(uint32(p[0]), uint32(p[1]))
	if !ok {
		return errnoFault
	}
	state := uint32(2_463_534_242)
	for i := range bytes {
		if i%(1<<20) == 0 { // a memory may have 4 GiB
			leaveIfOver(ctx)
		}
		state ^= state << 13
		state ^= state >> 17
		state ^= state << 5
		bytes[i] = byte(state)
	}
	return errnoSuccess
}
