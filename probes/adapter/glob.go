package adapter

import (
	"path"
	"slices"
	"strings"
)

// Patterns selects queues by name: exact names, and globs where '*' is any text, '?' one
// character and '[a-z]' one of a set. A backslash takes a character literally.
type Patterns []string

// parsePatterns reads a comma-separated list of names and globs. It is not ok where one is malformed
// or there is none.
func parsePatterns(list string) (ps Patterns, ok bool) {
	for p := range strings.SplitSeq(list, ",") {
		if p = strings.TrimSpace(p); p == "" {
			continue
		}
		if _, err := match(p, ""); err != nil {
			return nil, false
		}
		ps = append(ps, p)
	}
	return ps, len(ps) > 0
}

// Names are the literal names in ps.
func (ps Patterns) Names() []string {
	var names []string
	for _, p := range ps {
		if !IsGlob(p) {
			names = append(names, unescape(p))
		}
	}
	return names
}

// HasGlob reports whether ps selects more than its literal names, so that a session must look for queues.
func (ps Patterns) HasGlob() bool { return slices.ContainsFunc(ps, IsGlob) }

// Match reports whether one of the patterns selects name.
func (ps Patterns) Match(name string) bool {
	for _, p := range ps {
		if ok, _ := match(p, name); ok { // parsePatterns refused what is malformed
			return true
		}
	}
	return false
}

// IsGlob reports whether p selects more than one literal name.
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
	var b strings.Builder
	for i := range len(literal) {
		if strings.IndexByte(`\*?[]`, literal[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(literal[i])
	}
	return b.String()
}
