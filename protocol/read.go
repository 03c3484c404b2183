package protocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// unmarshal is json.Unmarshal that lets a field of the wrong type be: it stays empty, and whoever
// needs it says so.
func unmarshal(data []byte, known form, into any) error {
	trimmed := bytes.TrimLeft(data, " \t\r\n\ufeff")
	if len(trimmed) == 0 {
		return errors.New("it is empty: it takes a JSON object")
	}
	if trimmed[0] != '{' {
		return fmt.Errorf("it is not a JSON object: it starts with %s", quote(string(trimmed[:min(len(trimmed), 20)])))
	}
	trimmed, err := exactly(trimmed, known)
	if err != nil {
		return err
	}
	err = json.Unmarshal(trimmed, into)
	if wrongType := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrongType) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("it is not JSON: %w", err)
	}
	return nil
}

// count is a JSON number that should be a whole, non-negative one. It is absent where the field
// is missing or null, and never makes its document unreadable.
type count struct {
	value   int64
	present bool
	bad     string // what was there instead
}

func (c *count) UnmarshalJSON(data []byte) error {
	*c = count{} // of a member that is there twice the last one counts
	text := string(data)
	if text == "null" {
		return nil
	}
	c.present = true
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 && n <= MaxCount {
		c.value = n
		return nil
	}
	// PHP and JavaScript may write 3.0 or 1e3 for a whole number.
	if f, err := strconv.ParseFloat(text, 64); err == nil && f >= 0 && f <= MaxCount && f == math.Trunc(f) {
		c.value = int64(f)
		return nil
	}
	c.bad = oneLine(data)
	return nil
}

// oneLine shows a value within a sentence: JSON without its line breaks, and quoted what is none,
// such as the empty field of a stream.
func oneLine(data []byte) string {
	var b bytes.Buffer
	if json.Compact(&b, data) != nil {
		return quote(string(data))
	}
	return b.String()
}

func (c count) required(name string) (int64, error) {
	switch {
	case !c.present:
		return 0, fmt.Errorf("%s is missing: it takes a number", name)
	case c.bad != "":
		return 0, fmt.Errorf("%s is %s: it takes a whole number from 0 to 2^53-1", name, cut(c.bad))
	}
	return c.value, nil
}

func (c count) optional(name, queue string, ps *problems) *int64 {
	if !c.present {
		return nil
	}
	n, err := c.required(name)
	if err != nil {
		ps.add(queue, "its %v; shown as unknown", err)
		return nil
	}
	return &n
}

// list is a JSON list of which no more than [maxQueues] are read; nil where there is none.
type list[T any] struct {
	items []T
	cut   bool // there were more
}

func (l *list[T]) UnmarshalJSON(data []byte) error {
	*l = list[T]{}
	if data[0] != '[' {
		return nil // of another type, or null: there is no list
	}
	if end := endOf(data, maxQueues); end > 0 {
		// A new array: the document's own bytes stay as they are.
		data, l.cut = append(data[:end:end], ']'), true
	}
	err := json.Unmarshal(data, &l.items)
	if wrongType := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrongType) {
		return nil // as unmarshal has it: what is of another type is empty
	}
	return err
}

// endOf is where a JSON list's first n elements end, or 0 where it has no more than these.
func endOf(list []byte, n int) int {
	depth, inText := 0, false
	for i := 0; i < len(list); i++ {
		c := list[i]
		if inText {
			switch c {
			case '\\':
				i++ // whatever is escaped
			case '"':
				inText = false
			}
			continue
		}
		switch c {
		case '"':
			inText = true
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		case ',':
			if depth > 1 {
				continue
			}
			if n--; n == 0 {
				return i
			}
		}
	}
	return 0
}

// number is a JSON number of any size, absent where it is missing, null or something else.
type number struct{ value *float64 }

func (n *number) UnmarshalJSON(data []byte) error {
	n.value = nil
	if f, err := strconv.ParseFloat(string(data), 64); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
		n.value = &f
	}
	return nil
}

// size is the number as bytes or another whole, non-negative amount.
func (n number) size() *int64 {
	if n.value == nil || *n.value < 0 || *n.value > MaxCount {
		return nil
	}
	return new(int64(*n.value))
}

// problems collects what is wrong with one document, up to a bound.
type problems struct{ list []Problem }

func (ps *problems) add(queue, format string, args ...any) {
	switch {
	case len(ps.list) < maxProblems:
		ps.list = append(ps.list, Problem{Queue: cut(queue), Reason: cut(fmt.Sprintf(format, args...))})
	case len(ps.list) == maxProblems:
		ps.list = append(ps.list, Problem{Reason: fmt.Sprintf("more than %d problems: the rest are not listed", maxProblems)})
	}
}

// cut keeps a sentence a sentence, whatever somebody put in it.
func cut(s string) string {
	const most = 500
	if len(s) <= most {
		return s
	}
	return string(bytes.ToValidUTF8([]byte(s[:most]), nil)) + "…"
}
