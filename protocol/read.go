package protocol

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// count is a JSON number that should be a whole, non-negative one. It is absent where the member
// is missing or null.
type count struct {
	value   int64
	present bool
	bad     string // what was there instead
}

func readCount(value []byte) (c count) {
	text := string(value)
	if value == nil || text == "null" {
		return c
	}
	c.present = true
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 && n <= MaxCount {
		c.value = n
		return c
	}
	// PHP and JavaScript may write 3.0 or 1e3 for a whole number.
	if f, err := strconv.ParseFloat(text, 64); err == nil && f >= 0 && f <= MaxCount && f == math.Trunc(f) {
		c.value = int64(f)
		return c
	}
	c.bad = oneLine(value)
	return c
}

// oneLine shows a value within a sentence: JSON without its line breaks, and quoted what is none,
// such as the empty field of a stream. It may be text that is not UTF-8.
func oneLine(data []byte) string {
	var b bytes.Buffer
	if json.Compact(&b, data) != nil {
		return quote(string(data))
	}
	return strings.ToValidUTF8(b.String(), "\ufffd")
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

// optional puts the number into n, and returns n.
func (c count) optional(n *int64, name, queue string, ps *problems) *int64 {
	if !c.present {
		return nil
	}
	var err error
	if *n, err = c.required(name); err != nil {
		ps.add(queue, "its %v; shown as unknown", err)
		return nil
	}
	return n
}

// readNumber reads a JSON number of any size into n, and returns n; nil where value is missing, null or
// something else.
func readNumber(value []byte, n *float64) *float64 {
	f, err := strconv.ParseFloat(string(value), 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return nil
	}
	*n = f
	return n
}

// readSize reads a JSON number of bytes or of another whole, non-negative amount.
func readSize(value []byte, n *int64) *int64 {
	var f float64
	if readNumber(value, &f) == nil || f < 0 || f > MaxCount {
		return nil
	}
	*n = int64(f)
	return n
}

// problems collects what is wrong with one document, up to a bound.
type problems struct{ list []Problem }

func (ps *problems) add(queue, format string, args ...any) {
	switch {
	case len(ps.list) < MaxProblems:
		ps.list = append(ps.list, Problem{Queue: cut(queue), Reason: cut(fmt.Sprintf(format, args...))})
	case len(ps.list) == MaxProblems:
		ps.list = append(ps.list, Problem{Reason: fmt.Sprintf("more than %d problems: the rest are not listed", MaxProblems)})
	}
}

// maxText is the longest text of somebody else's within a sentence, and the longest sentence, in bytes.
const maxText = 500

func cut(s string) string { return Shorten(s, maxText) }

// Shorten is s, or what of it fits into most bytes and an ellipsis. It stays UTF-8.
func Shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
