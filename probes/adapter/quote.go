package adapter

import "strconv"

// Quote returns the first most characters of s, a foreign text, in quotes and escaped, for use within a sentence.
// So rubbish fills no report, and ends no line of a log.
func Quote(s string, most int) string { return strconv.Quote(Cut(s, most)) }

// Cut is the first most characters of s.
func Cut(s string, most int) string {
	for i := range s {
		if most == 0 {
			return s[:i]
		}
		most--
	}
	return s
}
