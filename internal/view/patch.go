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
		totals, err := diffTotals(prev.Totals, next.Totals)
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

func diffTotals(prev, next Totals) (map[string]any, error) {
	a, err := json.Marshal(prev)
	if err != nil {
		return nil, fmt.Errorf("encode totals: %w", err)
	}
	b, err := json.Marshal(next)
	if err != nil {
		return nil, fmt.Errorf("encode totals: %w", err)
	}
	return diff(a, b)
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
			d, err := diff(encoded(before), encoded(row))
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

// diff is the merge patch that makes next of prev, both the JSON of an object. Members are compared
// as they are written: one encoder wrote both, so equal values are equal text.
func diff(prev, next []byte) (map[string]any, error) {
	a, err := members(prev)
	if err != nil {
		return nil, err
	}
	b, err := members(next)
	if err != nil {
		return nil, err
	}
	p := map[string]any{}
	for k, now := range b {
		before, had := a[k]
		switch {
		case had && bytes.Equal(before, now):
		case had && before[0] == '{' && now[0] == '{':
			if p[k], err = diff(before, now); err != nil {
				return nil, err
			}
		default:
			p[k] = now
		}
	}
	for k := range a {
		if _, kept := b[k]; !kept {
			p[k] = nil
		}
	}
	return p, nil
}

func members(object []byte) (map[string]json.RawMessage, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(object, &m); err != nil {
		return nil, fmt.Errorf("take a part of the view apart: %w", err)
	}
	return m, nil
}
