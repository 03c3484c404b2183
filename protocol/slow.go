//go:build !wasip1

package protocol

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// SlowEntry is one request, job or query that took longer than its threshold. It travels as the
// fields of a stream entry, all of them text.
type SlowEntry struct {
	Timestamp   int64
	Kind        string // "http", "job", "query" or "other"
	Name        string
	DurationMS  int64
	ThresholdMS int64
	Host        string         // may be empty
	Meta        map[string]any // may be nil
}

// SlowMaxLen is how many entries a stream keeps, unless a setting says otherwise.
const SlowMaxLen = 1000

// SlowKey is the stream of an app's slow entries.
func SlowKey(app string) string { return "pulse:slow:" + app }

// Fields checks e and returns its stream fields.
func (e *SlowEntry) Fields() (map[string]string, error) {
	if err := e.validate(); err != nil {
		return nil, err
	}
	f := map[string]string{
		"timestamp":    strconv.FormatInt(e.Timestamp, 10),
		"kind":         e.Kind,
		"name":         e.Name,
		"duration_ms":  strconv.FormatInt(e.DurationMS, 10),
		"threshold_ms": strconv.FormatInt(e.ThresholdMS, 10),
	}
	if e.Host != "" {
		f["host"] = e.Host
	}
	if len(e.Meta) > 0 {
		meta, err := json.Marshal(e.Meta)
		if err != nil {
			return nil, fmt.Errorf("encode meta of slow %s %s: %w", e.Kind, quote(e.Name), err)
		}
		f["meta"] = string(meta)
	}
	return f, nil
}

func (e *SlowEntry) validate() error {
	errs := []error{checkTimestamp(e.Timestamp)}
	if !slowKind(e.Kind) {
		errs = append(errs, fmt.Errorf("kind is %s: it takes http, job, query or other", quote(e.Kind)))
	}
	if e.Name == "" {
		errs = append(errs, errors.New("name is empty"))
	}
	if !utf8.ValidString(e.Name) {
		errs = append(errs, errors.New("name is not UTF-8"))
	}
	if !utf8.ValidString(e.Host) {
		errs = append(errs, errors.New("host is not UTF-8"))
	}
	if e.DurationMS < 0 || e.DurationMS > MaxCount {
		errs = append(errs, fmt.Errorf("duration_ms is %d: it takes 0 to 2^53-1", e.DurationMS))
	}
	if e.ThresholdMS < 0 || e.ThresholdMS > MaxCount {
		errs = append(errs, fmt.Errorf("threshold_ms is %d: it takes 0 to 2^53-1", e.ThresholdMS))
	}
	return errors.Join(errs...)
}

func slowKind(k string) bool { return k == "http" || k == "job" || k == "query" || k == "other" }

// DecodeSlow reads the fields of a stream entry that any program may have written. It ignores unknown fields, reads
// an unknown kind as other, and drops a meta that is not a JSON object.
func DecodeSlow(fields map[string]string) (SlowEntry, error) {
	// What is not UTF-8 is replaced as encoding/json replaces it in the other documents.
	e := SlowEntry{
		Kind: fields["kind"],
		Name: strings.ToValidUTF8(fields["name"], "\ufffd"),
		Host: strings.ToValidUTF8(fields["host"], "\ufffd"),
	}
	if !slowKind(e.Kind) {
		e.Kind = "other"
	}
	for _, f := range []struct {
		name string
		into *int64
	}{{"timestamp", &e.Timestamp}, {"duration_ms", &e.DurationMS}, {"threshold_ms", &e.ThresholdMS}} {
		var c count
		if text, ok := fields[f.name]; ok {
			c = readCount([]byte(text))
		}
		n, err := c.required(f.name)
		if err != nil {
			return SlowEntry{}, err
		}
		*f.into = n
	}
	if meta, ok := fields["meta"]; ok {
		_ = json.Unmarshal([]byte(meta), &e.Meta) // forgiving: the entry is worth more than its meta
	}
	if err := e.validate(); err != nil {
		return SlowEntry{}, err
	}
	return e, nil
}
