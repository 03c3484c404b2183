package main

import (
	"maps"
	"slices"
	"testing"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/builtin"
)

func TestEachPlayerIsADriversAndOthersAreNotAsked(t *testing.T) {
	settings := demoSettings()
	var listed []string
	for _, d := range builtin.Of(adapter.Redis) {
		name := d.Adapter.Describe().Name
		listed = append(listed, name)
		queues, ok := settings[d.Settings[0].Variable]
		if _, played := players[name]; !ok || played != (queues != "") {
			t.Errorf("%s is %q, set: %v, played: %v", d.Settings[0].Variable, queues, ok, played)
		}
		for _, s := range d.Settings[1:] {
			if v, ok := settings[s.Variable]; !ok || v != "" {
				t.Errorf("%s is %q, set: %v: the demo has the default", s.Variable, v, ok)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(players)) {
		if !slices.Contains(listed, name) {
			t.Errorf("%s has a player, and is no driver", name)
		}
	}
}
