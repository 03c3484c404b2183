package view

import (
	"encoding/json"
	"slices"
)

// Patch is the JSON Merge Patch (RFC 7396) that makes next of prev, or nil where nothing but the
// time has changed.
func Patch(prev, next *View) ([]byte, error) {
	p := patch{}
	p.child("totals", diffTotals(&prev.Totals, &next.Totals))
	if !slices.Equal(prev.Problems, next.Problems) {
		p["problems"] = next.Problems // a list: a merge patch replaces it whole
	}
	apps := patch{}
	for name, app := range next.Apps {
		before := prev.Apps[name]
		if before == nil {
			apps[name] = app
			continue
		}
		a := patch{}
		a.child("queues", diffRows(before.Queues, app.Queues, diffQueue))
		a.child("servers", diffRows(before.Servers, app.Servers, diffServer))
		apps.child(name, a)
	}
	for name := range prev.Apps {
		if next.Apps[name] == nil {
			apps[name] = nil
		}
	}
	p.child("apps", apps)
	if len(p) == 0 {
		return nil, nil
	}
	p["generated_at"] = next.GeneratedAt
	return json.Marshal(p)
}
