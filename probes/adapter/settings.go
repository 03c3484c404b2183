package adapter

import (
	"errors"
	"slices"
	"strings"

	"github.com/gravito-framework/pulse/protocol"
)

// Settings are an adapter's settings by name. "app" is always there; "source" may be.
type Settings map[string]string

// SettingError is a setting that an adapter doesn't take. A host that read the setting from somewhere,
// such as an environment variable, can say where instead of Setting.
type SettingError struct {
	Setting string
	Value   string
	Takes   string // what it takes, to go on after "it takes"
}

func (e *SettingError) Error() string { return e.Named(e.Setting) }

// Named is the error's sentence where the setting goes by another name.
func (e *SettingError) Named(name string) string {
	if e.Value == "" {
		return name + " is not set: it takes " + e.Takes
	}
	return name + " is " + Quote(e.Value, 200) + ": it takes " + e.Takes
}

// Wrong is the error of a setting that doesn't hold what it takes.
func (s Settings) Wrong(setting, takes string) error {
	return &SettingError{Setting: setting, Value: s[setting], Takes: takes}
}

// Only returns an error where a setting is set that the adapter of this name does not have: one that is misspelled
// would have no effect, and nobody would be told. own are its settings; app and source are every adapter's. The error
// does not have the value, which may be a password for something else.
func (s Settings) Only(adapter string, own ...string) error {
	for _, name := range SortedKeys(s) {
		if s[name] == "" || name == "app" || name == "source" || slices.Contains(own, name) {
			continue
		}
		return errors.New(adapter + " has no setting " + Quote(name, 80) + ": it takes " + strings.Join(own, ", "))
	}
	return nil
}

// Or is a setting's value, or what stands for one that is not set.
func (s Settings) Or(setting, otherwise string) string {
	if v := s[setting]; v != "" {
		return v
	}
	return otherwise
}

// Patterns reads a setting that selects queues by name.
func (s Settings) Patterns(setting string) (Patterns, error) {
	ps, ok := parsePatterns(s[setting])
	if !ok {
		return nil, s.Wrong(setting, "names or globs, comma-separated, where * is all; a '[' needs its ']', a '\\' the character after it")
	}
	for _, name := range ps.Names() {
		if err := protocol.CheckQueueName(name); err != nil {
			return nil, s.Wrong(setting, "names of queues, but of "+Quote(name, 80)+" "+err.Error())
		}
	}
	return ps, nil
}
