package config

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/builtin"
	"github.com/gravito-framework/pulse/probes/wasmhost"
)

// The variables of adapters that are WebAssembly modules.
const (
	adaptersVariable      = "PULSE_ADAPTERS"
	adapterConfigVariable = "PULSE_ADAPTER_CONFIG"
)

// plugin is a module that the environment asks for.
type plugin struct {
	path string
	wasm []byte
}

// plugins opens the modules that the environment asks for. In Lambda, where compiling one may take longer
// than a poll, it opens them in the background, and logs what is wrong with one instead of returning it. Where ctx ends
// there is nothing to say of the modules.
func (r *reader) plugins(ctx context.Context, reporting Reporting, log *slog.Logger) []Driver {
	settings := r.pluginSettings()
	var drivers []Driver
	named := map[string]string{} // paths by adapter name
	for _, d := range builtin.Drivers {
		named[d.Adapter.Describe().Name] = "the built-in adapter"
	}
	inLambda := InLambda(r.get)
	files := r.pluginFiles()
	cache := ""
	if len(files) > 0 {
		var err error
		if cache, err = cacheDir(inLambda); err != nil {
			log.Warn("compiled modules are not kept, and each start compiles them: " + err.Error())
		}
	}
	for _, p := range files {
		base := shown(strings.TrimSuffix(filepath.Base(p.path), ".wasm"))
		load := func(ctx context.Context) (*wasmhost.Module, error) {
			if inLambda && cache != "" {
				linkCompiled(cache, p.path)
			}
			return wasmhost.Load(ctx, p.wasm, wasmhost.Options{CacheDir: cache, Log: log})
		}
		if inLambda {
			// The file's name stands for the adapter's, which is known only after compiling. Two modules of one
			// name show as one queue twice, and the view says so.
			drivers = append(drivers, Driver{
				Adapter: adapter.Description{Name: base},
				Session: wasmhost.OpenLater(ctx, func(ctx context.Context) (adapter.Session, error) {
					m, err := load(ctx)
					if err != nil {
						return nil, err
					}
					return openPlugin(ctx, m, settings[m.Describe().Name], reporting)
				}),
			})
			continue
		}
		m, err := untilDone(ctx, load)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			r.add("%s has %s: %w", adaptersVariable, shown(p.path), err)
			continue
		}
		about := m.Describe()
		if other, twice := named[about.Name]; twice {
			r.add("%s has %s, which calls itself %s as %s does: leave one of them out", adaptersVariable, shown(p.path), about.Name, other)
			continue
		}
		named[about.Name] = shown(p.path)
		session, err := openPlugin(ctx, m, settings[about.Name], reporting)
		if err != nil {
			r.add("%s for %s (%s): %w", adapterConfigVariable, about.Name, shown(p.path), err)
			continue
		}
		drivers = append(drivers, Driver{about, session})
	}
	if !inLambda {
		for _, name := range slices.Sorted(maps.Keys(settings)) {
			if _, ok := named[name]; !ok {
				r.add("%s has settings of %.80q: %s has no adapter of this name", adapterConfigVariable, name, adaptersVariable)
			}
		}
	}
	return drivers
}

// untilDone loads a module, and waits no longer for it once ctx ends: nothing can stop a module's compiling, which may take
// half a minute.
func untilDone(ctx context.Context, load func(context.Context) (*wasmhost.Module, error)) (*wasmhost.Module, error) {
	type loaded struct {
		module *wasmhost.Module
		err    error
	}
	done := make(chan loaded, 1)
	go func() {
		m, err := load(ctx)
		done <- loaded{m, err}
	}()
	select {
	case l := <-done:
		return l.module, l.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func openPlugin(ctx context.Context, m *wasmhost.Module, own adapter.Settings, reporting Reporting) (adapter.Session, error) {
	if err := asksRedis(m.Describe()); err != nil {
		return nil, err
	}
	settings := adapter.Settings{}
	maps.Copy(settings, own)
	settings["app"], settings["source"] = reporting.App, reporting.Source
	session, err := m.Open(ctx, settings)
	if err != nil {
		return nil, err
	}
	// Only now the module of the built-in adapters says which it is.
	if err := asksRedis(adapter.DescriptionOf(session, m.Describe())); err != nil {
		_ = session.Close()
		return nil, err
	}
	return session, nil
}

func asksRedis(d adapter.Description) error {
	if d.Source != adapter.Redis {
		return fmt.Errorf("it asks %s: this reporter asks a Redis only", d.Source)
	}
	return nil
}

// pluginFiles reads the files that the environment names: one directory of them, or each.
func (r *reader) pluginFiles() []plugin {
	text := r.get(adaptersVariable)
	if text == "" {
		return nil
	}
	var paths []string
	if info, err := os.Stat(text); err == nil && info.IsDir() {
		paths, _ = filepath.Glob(filepath.Join(text, "*.wasm"))
		if len(paths) == 0 {
			r.wrong(adaptersVariable, "a directory with .wasm files in it, but this one has none")
		}
	} else {
		for path := range strings.SplitSeq(text, ",") {
			if path = strings.TrimSpace(path); path != "" {
				paths = append(paths, path)
			}
		}
		if len(paths) == 0 {
			r.wrong(adaptersVariable, "a directory, or paths of .wasm files, comma-separated")
		}
	}
	var files []plugin
	for _, path := range paths {
		wasm, err := wasmhost.ReadFile(path)
		if err != nil {
			r.add("%s has %s, which cannot be read: %w", adaptersVariable, shown(path), err)
			continue
		}
		files = append(files, plugin{path, wasm})
	}
	return files
}

// shown is a path as a person reads it: with quotes where it has characters that a terminal would obey.
func shown(path string) string {
	if !utf8.ValidString(path) || strings.ContainsFunc(path, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.Quote(path)
	}
	return path
}

// pluginSettings are the settings of each adapter by its name.
func (r *reader) pluginSettings() map[string]adapter.Settings {
	text := r.get(adapterConfigVariable)
	if text == "" {
		return nil
	}
	if r.get(adaptersVariable) == "" {
		r.add("%s is set, but %s is not: it takes the adapters that the settings are for", adapterConfigVariable, adaptersVariable)
	}
	var settings map[string]adapter.Settings
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	if err := decoder.Decode(&settings); err != nil || decoder.More() {
		// Without its value, which may be a password.
		r.add(`%s is not JSON of the form {"adapter": {"setting": "text"}}`, adapterConfigVariable)
		return nil
	}
	for _, name := range namesTwice(text) {
		r.add("%s has %s twice: leave one of them out", adapterConfigVariable, name)
	}
	for _, d := range builtin.Drivers {
		name := d.Adapter.Describe().Name
		if _, ok := settings[name]; !ok {
			continue
		}
		var variables []string
		for _, s := range d.Settings {
			variables = append(variables, s.Variable)
		}
		r.add("%s has settings of %q: %s is built in and is set by %s", adapterConfigVariable, name, name, strings.Join(variables, ", "))
	}
	for name, own := range settings {
		for _, ours := range []string{"app", "source"} {
			if _, ok := own[ours]; ok {
				r.add("%s sets %s of %.80q: that is PULSE_%s's", adapterConfigVariable, ours, name, strings.ToUpper(ours))
			}
		}
	}
	return settings
}

// namesTwice are the names that stand twice in one object of settings, quoted. The reader of JSON takes the last of them.
func namesTwice(settings string) []string {
	decoder := json.NewDecoder(strings.NewReader(settings))
	var found []string
	var of string // the adapter
	adapters, own := map[string]bool{}, map[string]bool{}
	depth, isName := 0, true
	for {
		token, err := decoder.Token()
		if err != nil {
			return found
		}
		switch token {
		case json.Delim('{'):
			depth++
			isName = true
			clear(own)
			continue
		case json.Delim('}'):
			depth--
			isName = true
			continue
		}
		name, is := token.(string)
		switch {
		case !isName || !is: // the value
			isName = true
			continue
		case depth == 1 && adapters[name]:
			found = append(found, fmt.Sprintf("%.80q", name))
		case depth == 2 && own[name]:
			found = append(found, fmt.Sprintf("%.80q of %.80q", name, of))
		}
		isName = false
		if depth == 1 {
			of = name
			adapters[name] = true
		} else {
			own[name] = true
		}
	}
}

// compiledDir is a directory of compiled modules beside the modules. A Lambda package may have one.
const compiledDir = "compiled"

// cacheDir is the directory that keeps modules compiled; "" is none, and err why it is not used. In Lambda it is below /tmp.
func cacheDir(inLambda bool) (dir string, err error) {
	if inLambda { // where nobody else is
		return private(filepath.Join(os.TempDir(), "gravito-pulse-adapters"), os.Geteuid())
	}
	caches, err := os.UserCacheDir()
	if err != nil {
		return "", nil //nolint:nilerr // a user without a place for it
	}
	dir, err = private(filepath.Join(caches, "gravito-pulse", "adapters"), os.Geteuid())
	if dir != "" {
		err = safeAbove(dir, os.Geteuid())
	}
	if err != nil {
		return "", err
	}
	return dir, nil
}

// linkCompiled links the compiled modules of a Lambda package into dir, because nothing can write to a package.
func linkCompiled(dir, module string) {
	packaged := filepath.Join(filepath.Dir(module), compiledDir)
	_ = filepath.WalkDir(packaged, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return filepath.SkipAll // there is none
		}
		relative, err := filepath.Rel(packaged, path)
		if err != nil {
			return err
		}
		target := filepath.Join(dir, relative)
		if entry.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		if err := os.Symlink(path, target); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
		return nil
	})
}

// private makes a directory that only this user can write to. Where it cannot, it returns "", and as err what is wrong with what
// stands there already.
func private(dir string, user int) (string, error) {
	if os.MkdirAll(dir, 0o700) != nil {
		return "", nil //nolint:nilerr // such as on a disk that nothing can be written to
	}
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return "", err
	case !info.IsDir():
		return "", fmt.Errorf("%s is a link: put a directory in its place", shown(dir))
	case info.Mode().Perm()&0o022 != 0:
		return "", fmt.Errorf("others may write to %s: remove it, or take that right from them (chmod go-w)", shown(dir))
	}
	if owner, is := anothers(info, user); is {
		return "", fmt.Errorf("%s belongs to user %d: remove it, or make it yours (chown)", shown(dir), owner)
	}
	return dir, nil
}

// safeAbove says which directory above dir lets another user put something else in dir's place.
func safeAbove(dir string, user int) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	resolved, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	const instead = "which another user may replace: name another place by XDG_CACHE_HOME, or"
	for _, path := range []string{dir, resolved} {
		for path != filepath.Dir(path) {
			path = filepath.Dir(path)
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			if owner, is := anothers(info, user); is {
				return fmt.Errorf("%s is below %s of user %d, %s make that yours (chown)", shown(dir), shown(path), owner, instead)
			}
			if othersWrite(info) {
				return fmt.Errorf("%s is below %s, where others may write, %s take that right from them (chmod go-w)", shown(dir), shown(path), instead)
			}
		}
	}
	return nil
}

// anothers says whether something belongs to another user. What is root's is everybody's: root may do anything.
func anothers(info os.FileInfo, user int) (owner int, is bool) {
	owner, _, known := ownerOf(info)
	return owner, known && owner != user && owner != 0
}

// othersWrite says whether others may rename what is in a directory. With the sticky bit, as /tmp has it, they may rename only
// what is theirs. A group with the number of the directory's owner is that user's own.
func othersWrite(info os.FileInfo) bool {
	mode := info.Mode()
	owner, group, known := ownerOf(info)
	byGroup := mode.Perm()&0o020 != 0 && (!known || group != owner)
	return mode&os.ModeSticky == 0 && (byGroup || mode.Perm()&0o002 != 0)
}
