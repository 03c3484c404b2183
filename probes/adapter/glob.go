package adapter

import (
	"fmt"
	"path"
	"strings"
)

// Patterns selects queues by name: exact names, and globs where '*' is any text, '?' one
// character and '[a-z]' one of a set. A backslash takes a character literally.
type Patterns []string

// ParsePatterns reads a comma-separated list of names and globs.
func ParsePatterns(list string) (Patterns, error) {
	var ps Patterns
	for p := range strings.SplitSeq(list, ",") {
		p = strings.TrimSpace(p)
		if p == "" {
			continue
		}
		if _, err := match(p, ""); err != nil {
			return nil, fmt.Errorf("%q is not a name or a glob: a '[' needs its ']', a '\\' the character after it", p)
		}
		ps = append(ps, p)
	}
	if len(ps) == 0 {
		return nil, fmt.Errorf("%q names no queue: it takes names or globs, comma-separated; * is all", list)
	}
	return ps, nil
}

// Exact returns the literal names in ps and whether ps is nothing but those, so that nothing
// needs to be discovered.
func (ps Patterns) Exact() (names []string, all bool) {
	all = true
	for _, p := range ps {
		if IsGlob(p) {
			all = false
			continue
		}
		names = append(names, unescape(p))
	}
	return names, all
}

// Match tells whether one of the patterns selects name.
func (ps Patterns) Match(name string) bool {
	for _, p := range ps {
		if ok, _ := match(p, name); ok { // ParsePatterns refused what is malformed
			return true
		}
	}
	return false
}

// IsGlob tells whether p selects more than one literal name.
func IsGlob(p string) bool {
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case '\\':
			i++
		case '*', '?', '[':
			return true
		}
	}
	return false
}

// match is path.Match where '/' is a character like any other: queue names may hold one.
func match(pattern, name string) (bool, error) {
	const slash = "\uffff" // no name on a wire holds this noncharacter
	return path.Match(strings.ReplaceAll(pattern, "/", slash), strings.ReplaceAll(name, "/", slash))
}

func unescape(p string) string {
	if !strings.Contains(p, `\`) {
		return p
	}
	var b strings.Builder
	for i := 0; i < len(p); i++ {
		if p[i] == '\\' && i+1 < len(p) {
			i++
		}
		b.WriteByte(p[i])
	}
	return b.String()
}

// EscapeGlob escapes a literal for a Redis MATCH pattern.
func EscapeGlob(literal string) string {
	return globEscaper.Replace(literal)
}

var globEscaper = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`)
