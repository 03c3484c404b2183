package wasmhost

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
)

// The engine trusts compiled code when it reads it again: a bit that flipped on the disk ends the program. So each
// module has a directory of its own within the cache, with a checksum of each entry.

// sumsFile has a line for each entry: its checksum and its name.
const sumsFile = "sums"

// cacheOf is the directory of a module in the cache.
func cacheOf(dir string, wasm []byte) string {
	sum := sha256.Sum256(wasm)
	return filepath.Join(dir, hex.EncodeToString(sum[:16]))
}

// discardBroken removes the entries that have changed since they were written, and returns how many are left.
func discardBroken(dir string) (intact int, err error) {
	sums, _ := os.ReadFile(filepath.Join(dir, sumsFile)) // where there are none, nothing is intact
	for _, entry := range entriesOf(dir) {
		line, err := sumOf(dir, entry)
		if err == nil && strings.Contains(string(sums), line) {
			intact++
			continue
		}
		if err := os.Remove(entry); err != nil {
			return intact, err
		}
	}
	return intact, nil
}

// noteSums writes the checksums of the entries, unless there are none but the intact ones.
func noteSums(dir string, intact int) error {
	entries := entriesOf(dir)
	if len(entries) == intact {
		return nil
	}
	var lines strings.Builder
	for _, entry := range entries {
		line, err := sumOf(dir, entry)
		if err != nil {
			return err
		}
		lines.WriteString(line)
	}
	temporary, err := os.CreateTemp(dir, sumsFile)
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.WriteString(lines.String())
	if closed := temporary.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(temporary.Name(), filepath.Join(dir, sumsFile))
}

// entriesOf are the files that the engine keeps, in directories by its version.
func entriesOf(dir string) []string {
	entries, _ := filepath.Glob(filepath.Join(dir, "*", "*"))
	return entries
}

// sumOf is an entry's line in the file of checksums.
func sumOf(dir, entry string) (string, error) {
	info, err := os.Stat(entry)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is no file", entry)
	}
	data, err := os.ReadFile(entry)
	if err != nil {
		return "", err
	}
	name, err := filepath.Rel(dir, entry)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%08x %s\n", crc32.Checksum(data, castagnoli), name), nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)
