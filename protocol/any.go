//go:build !wasip1

package protocol

import (
	"encoding/json"
	"fmt"
)

// What holds values of any type takes encoding/json. An adapter has no such values, and a WebAssembly
// guest would be a third larger: there this file and slow.go are not compiled.

// MetaOf makes a meta of anything that encoding/json makes an object of, such as a map.
func MetaOf(members any) (Meta, error) {
	data, err := json.Marshal(members)
	if err != nil {
		return Meta{}, fmt.Errorf("encode meta: %w", err)
	}
	return readMeta(data), nil
}

// Map is m as encoding/json reads it.
func (m Meta) Map() map[string]any {
	var members map[string]any
	_ = json.Unmarshal(m.AppendJSON(nil), &members) // it is valid, and an object
	return members
}

// Set sets a member to anything that encoding/json encodes.
func (m *Meta) Set(name string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode meta.%s: %w", name, err)
	}
	text, ok := tidy(m.with(name), data, true, maxMetaNesting-1)
	if !ok {
		return fmt.Errorf("encode meta.%s: %s", name, tooDeep)
	}
	m.text = text
	return nil
}
