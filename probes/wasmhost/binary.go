package wasmhost

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// What an engine does not bound is bounded here, before it sees the module: what it may import, and its
// tables, which live outside of its memory.

const (
	// MaxModule is the largest module in bytes. One is compiled to several times its size.
	MaxModule = 16 << 20
	// maxTables is how many entries all of a module's tables may have: a Go program has one a function.
	maxTables = 200_000
)

// wasi is the only module to import from.
const wasi = "wasi_snapshot_preview1"

// wasiFunctions are all of that module but those of sockets. The host gives no files, so those of
// files fail in the guest; a C library imports them all the same.
var wasiFunctions = strings.Fields(`
	args_get args_sizes_get clock_res_get clock_time_get environ_get environ_sizes_get
	fd_advise fd_allocate fd_close fd_datasync fd_fdstat_get fd_fdstat_set_flags fd_fdstat_set_rights
	fd_filestat_get fd_filestat_set_size fd_filestat_set_times fd_pread fd_prestat_dir_name
	fd_prestat_get fd_pwrite fd_read fd_readdir fd_renumber fd_seek fd_sync fd_tell fd_write
	path_create_directory path_filestat_get path_filestat_set_times path_link path_open path_readlink
	path_remove_directory path_rename path_symlink path_unlink_file
	poll_oneoff proc_exit proc_raise random_get sched_yield`)

// The sections of a module that are read here.
const (
	sectionImports = 2
	sectionTables  = 4
)

// The kinds of what is imported.
var kinds = []string{"function", "table", "memory", "global", "tag"}

// bounded checks a module, and returns it with tables that cannot grow.
func bounded(wasm []byte) ([]byte, error) {
	if len(wasm) > MaxModule {
		return nil, fmt.Errorf("it has %d bytes: at most %d are loaded", len(wasm), MaxModule)
	}
	const header = "\x00asm\x01\x00\x00\x00"
	if !strings.HasPrefix(string(wasm[:min(len(wasm), len(header))]), header) {
		return nil, fmt.Errorf("it is not WebAssembly: it begins with %.8q", wasm[:min(len(wasm), len(header))])
	}
	out := append(make([]byte, 0, len(wasm)+16), header...)
	r := reader{data: wasm, at: len(header)}
	entries := uint32(0)
	for r.at < len(wasm) {
		id := r.byte()
		section := r.bytes(r.u32())
		if r.err != nil {
			return nil, r.err
		}
		switch id {
		case sectionImports:
			if err := checkImports(section); err != nil {
				return nil, err
			}
		case sectionTables:
			var err error
			if section, err = boundTables(section, &entries); err != nil {
				return nil, err
			}
		}
		out = binary.AppendUvarint(append(out, id), uint64(len(section)))
		out = append(out, section...)
	}
	return out, nil
}

func checkImports(section []byte) error {
	r := reader{data: section}
	for range r.u32() {
		module, name := string(r.bytes(r.u32())), string(r.bytes(r.u32()))
		kind := r.byte()
		if r.err != nil {
			return r.err
		}
		if kind != 0 || module != wasi || !slices.Contains(wasiFunctions, name) {
			what := "value"
			if int(kind) < len(kinds) {
				what = kinds[kind]
			}
			return fmt.Errorf("it imports the %s %.80q from %.80q: the host gives functions of %s only, and none of sockets", what, name, module, wasi)
		}
		r.u32() // the function's type
	}
	return r.err
}

// boundTables is the section with each table's least size as its most.
func boundTables(section []byte, entries *uint32) ([]byte, error) {
	r := reader{data: section}
	count := r.u32()
	out := binary.AppendUvarint(nil, uint64(count))
	for range count {
		kind, hasMost := r.byte(), r.byte()
		least := r.u32()
		if hasMost == 1 {
			r.u32()
		}
		switch {
		case r.err != nil:
			return nil, r.err
		case hasMost > 1:
			return nil, errors.New("one of its tables is of a kind that is not known here")
		case least > maxTables-*entries:
			return nil, fmt.Errorf("its tables have more than %d entries", maxTables)
		}
		*entries += least
		out = append(out, kind, 1)
		out = binary.AppendUvarint(binary.AppendUvarint(out, uint64(least)), uint64(least))
	}
	if r.at < len(section) {
		return nil, errors.New("there is more behind its tables")
	}
	return out, nil
}

// reader reads the numbers and texts of a module. After its first error it reads nothing.
type reader struct {
	data []byte
	at   int
	err  error
}

var errCut = errors.New("it is cut off, or not WebAssembly")

func (r *reader) byte() byte {
	if r.err != nil || r.at >= len(r.data) {
		r.err = errCut
		return 0
	}
	r.at++
	return r.data[r.at-1]
}

func (r *reader) u32() uint32 {
	var n uint64
	for shift := 0; shift < 35; shift += 7 {
		b := r.byte()
		n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			break
		}
	}
	if n > 1<<32-1 {
		r.err = errCut
	}
	if r.err != nil {
		return 0
	}
	return uint32(n)
}

func (r *reader) bytes(n uint32) []byte {
	if r.err != nil || int64(n) > int64(len(r.data)-r.at) {
		r.err = errCut
		return nil
	}
	from := r.at
	r.at += int(n)
	return r.data[from:r.at:r.at]
}
