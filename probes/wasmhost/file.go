package wasmhost

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// ReadFile reads a module's file. One that is too large, or that is no file, is an error before it is read: a pipe would be
// waited for, and a device read until there is no memory. The error says why, without the path.
func ReadFile(path string) ([]byte, error) {
	wasm, err := readFile(path)
	if failed, is := errors.AsType[*os.PathError](err); is {
		err = failed.Err
	}
	return wasm, err
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, errors.New("it is a directory: name its .wasm files")
	case !info.Mode().IsRegular():
		return nil, errors.New("it is no file")
	case info.Size() > MaxModule:
		return nil, tooLarge(info.Size())
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	wasm, err := io.ReadAll(io.LimitReader(file, MaxModule+1))
	if err == nil && len(wasm) > MaxModule { // it grew, or has no size
		err = tooLarge(int64(len(wasm)))
	}
	if err != nil {
		return nil, err
	}
	return wasm, nil
}

func tooLarge(size int64) error {
	return fmt.Errorf("it has %d bytes: at most %d are loaded", size, MaxModule)
}
