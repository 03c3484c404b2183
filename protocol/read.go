package protocol

import (
	"errors"
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
	if !isValid(data) {
		return quote(string(data))
	}
	line := make([]byte, 0, len(data))
	for i := skipSpace(data, 0); i < len(data); i = skipSpace(data, i) {
		end := i + 1
		if data[i] == '"' {
			end = endOfText(data, i)
		}
		line = append(line, data[i:end]...)
		i = end
	}
	return strings.ToValidUTF8(string(line), "\ufffd")
}

func (c count) required(name string) (int64, error) {
	switch {
	case !c.present:
		return 0, errors.New(name + " is missing: it takes a number")
	case c.bad != "":
		return 0, errors.New(name + " is " + cut(c.bad) + ": it takes a whole number from 0 to 2^53-1")
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
		ps.add(queue, "its ", err.Error(), "; shown as unknown")
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

// add adds a problem of a queue, or of none, in words that are joined only where there is room for it.
func (ps *problems) add(queue string, words ...string) {
	switch {
	case len(ps.list) < MaxProblems:
		ps.list = append(ps.list, Problem{Queue: cut(queue), Reason: cut(strings.Join(words, ""))})
	case len(ps.list) == MaxProblems:
		ps.list = append(ps.list, Problem{Reason: "more than " + strconv.Itoa(MaxProblems) + " problems: the rest are not listed"})
	}
}

// maxText is the longest foreign text within a sentence, and the longest sentence, in bytes.
const maxText = 500

func cut(s string) string { return Shorten(s, maxText) }

// Shorten is s, or what of it fits into most bytes and an ellipsis. It stays UTF-8.
func Shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
