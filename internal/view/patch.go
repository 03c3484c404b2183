package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
)

// Patch is the JSON Merge Patch (RFC 7396) that makes next of prev, or nil where nothing but the
// time has changed.
func Patch(prev, next *View) ([]byte, error) {
	p := map[string]any{}
	if !reflect.DeepEqual(prev.Totals, next.Totals) {
		totals, err := diff(prev.Totals, next.Totals)
		if err != nil {
			return nil, err
		}
		p["totals"] = totals
	}
	if !slices.Equal(prev.Problems, next.Problems) {
		p["problems"] = next.Problems // a list: a merge patch replaces it whole
	}
	apps := map[string]any{}
	for name, app := range next.Apps {
		before := prev.Apps[name]
		if before == nil {
			apps[name] = app
			continue
		}
		a := map[string]any{}
		if err := diffRows(a, "queues", before.Queues, app.Queues, func(q *Queue) []byte { return q.encoded }); err != nil {
			return nil, err
		}
		if err := diffRows(a, "servers", before.Servers, app.Servers, func(s *Server) []byte { return s.encoded }); err != nil {
			return nil, err
		}
		if len(a) > 0 {
			apps[name] = a
		}
	}
	for name := range prev.Apps {
		if next.Apps[name] == nil {
			apps[name] = nil
		}
	}
	if len(apps) > 0 {
		p["apps"] = apps
	}
	if len(p) == 0 {
		return nil, nil
	}
	p["generated_at"] = next.GeneratedAt
	return json.Marshal(p)
}

// diffRows adds to into[name] what makes next of prev. Rows are compared as they were encoded; only
// those that differ are looked into.
func diffRows[R any](into map[string]any, name string, prev, next map[string]*R, encoded func(*R) []byte) error {
	rows := map[string]any{}
	for key, row := range next {
		before := prev[key]
		switch {
		case before == nil:
			rows[key] = row
		case !bytes.Equal(encoded(before), encoded(row)):
			d, err := diff(json.RawMessage(encoded(before)), json.RawMessage(encoded(row)))
			if err != nil {
				return err
			}
			rows[key] = d
		}
	}
	for key := range prev {
		if next[key] == nil {
			rows[key] = nil
		}
	}
	if len(rows) > 0 {
		into[name] = rows
	}
	return nil
}

// diff is the merge patch that makes next of prev, two values whose JSON is an object.
func diff(prev, next any) (map[string]any, error) {
	a, err := tree(prev)
	if err != nil {
		return nil, err
	}
	b, err := tree(next)
	if err != nil {
		return nil, err
	}
	return diffTrees(a, b), nil
}

func tree(v any) (map[string]any, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode a part of the view: %w", err)
	}
	var m map[string]any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber() // a float64 would round large numbers in meta
	if err := d.Decode(&m); err != nil {
		return nil, fmt.Errorf("decode a part of the view: %w", err)
	}
	return m, nil
}

func diffTrees(a, b map[string]any) map[string]any {
	p := map[string]any{}
	for k, now := range b {
		before, had := a[k]
		if had && reflect.DeepEqual(before, now) {
			continue
		}
		x, ok1 := before.(map[string]any)
		y, ok2 := now.(map[string]any)
		if ok1 && ok2 {
			p[k] = diffTrees(x, y)
			continue
		}
		p[k] = now
	}
	for k := range a {
		if _, kept := b[k]; !kept {
			p[k] = nil
		}
	}
	return p
}
