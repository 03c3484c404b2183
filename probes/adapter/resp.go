package adapter

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// The adapter ABI's values as bytes: RESP2, as Redis speaks it. A host and a guest share this file.

// The tags that a guest's results begin with.
const (
	TagDone     = 'K'
	TagRequests = 'R'
	TagSnapshot = 'S'
	TagError    = 'E'
)

// maxNesting is how deep a list of replies may nest. Redis' own nest to 4.
const maxNesting = 32

// AppendRequests appends requests as RESP arrays of bulk strings, back to back.
func AppendRequests(dst []byte, requests []Request) []byte {
	const usual = 32 // bytes a request at least: with room for that much it has been as large before
	if cap(dst)-len(dst) < usual*len(requests) {
		size := 0
		for _, r := range requests {
			size += r.size()
		}
		dst = slices.Grow(dst, size)
	}
	for _, r := range requests {
		dst = appendHead(dst, '*', len(r))
		for _, argument := range r {
			dst = appendBulk(dst, argument)
		}
	}
	return dst
}

// AppendReplies appends replies, one RESP value each, back to back.
func AppendReplies(dst []byte, replies []Reply) []byte {
	for i := range replies {
		dst = appendReply(dst, &replies[i])
	}
	return dst
}

func appendReply(dst []byte, r *Reply) []byte {
	switch r.kind {
	case integer:
		if r.integer >= 0 && r.integer < 10 {
			return appendHead(dst, ':', int(r.integer))
		}
		return append(strconv.AppendInt(append(dst, ':'), r.integer, 10), "\r\n"...)
	case text:
		return appendBulk(dst, r.text)
	case list:
		return AppendReplies(appendHead(dst, '*', len(*r.list)), *r.list)
	case refusal:
		line := r.text
		if strings.ContainsAny(line, "\r\n") { // it would end there
			line = strings.NewReplacer("\r", " ", "\n", " ").Replace(line)
		}
		return append(append(append(dst, '-'), line...), "\r\n"...)
	default:
		return append(dst, "$-1\r\n"...)
	}
}

// replySize is how many bytes AppendReplies appends for r.
func replySize(r *Reply) int {
	const ends = len("$\r\n")
	switch r.kind {
	case integer:
		var digits [20]byte
		return ends + len(strconv.AppendInt(digits[:0], r.integer, 10))
	case text:
		return headSize(len(r.text)) + len(r.text) + len("\r\n")
	case list:
		size := headSize(len(*r.list))
		for i := range *r.list {
			size += replySize(&(*r.list)[i])
		}
		return size
	case refusal:
		return ends + len(r.text)
	default:
		return len("$-1\r\n")
	}
}

func headSize(n int) int {
	var head [24]byte
	return len(appendHead(head[:0], '$', n))
}

// AppendSettings appends settings as one RESP array of name, value, name, value: the app, the source,
// then the others by name. A setting that is empty is not set, and left out.
func AppendSettings(dst []byte, s Settings) []byte {
	names := []string{"app", "source"}
	for _, name := range SortedKeys(s) {
		if name != "app" && name != "source" {
			names = append(names, name)
		}
	}
	names = slices.DeleteFunc(names, func(name string) bool { return s[name] == "" })
	dst = appendHead(dst, '*', 2*len(names))
	for _, name := range names {
		dst = appendBulk(appendBulk(dst, name), s[name])
	}
	return dst
}

func appendHead(dst []byte, kind byte, n int) []byte {
	switch { // nearly all of them: strconv takes several times longer
	case n < 10:
		return append(dst, kind, '0'+byte(n), '\r', '\n')
	case n < 100:
		return append(dst, kind, '0'+byte(n/10), '0'+byte(n%10), '\r', '\n')
	}
	return append(strconv.AppendInt(append(dst, kind), int64(n), 10), "\r\n"...)
}

func appendBulk(dst []byte, s string) []byte {
	return append(append(appendHead(dst, '$', len(s)), s...), "\r\n"...)
}

// ParseRequests reads what AppendRequests wrote: no more than most, or it is an error. The requests
// share one copy of data.
func ParseRequests(data []byte, most int) ([]Request, error) {
	p := parser{data: data}
	shared := string(data)
	// Guesses; a request keeps its words where they are if there are more.
	const usualWord, usualRequest = 16, 32 // bytes
	words := make([]string, 0, len(data)/usualWord)
	requests := make([]Request, 0, len(data)/usualRequest)
	for p.at < len(data) {
		n, err := p.head('*')
		switch {
		case err != nil:
			return nil, err
		case n < 1:
			return nil, errors.New("request " + strconv.Itoa(len(requests)) + " has " + strconv.Itoa(n) + " words: it takes a command at least")
		case len(requests) == most:
			return nil, errors.New("there are more than " + strconv.Itoa(most) + " requests")
		}
		first := len(words)
		for range n {
			from, to, err := p.bulk()
			if err != nil {
				return nil, err
			}
			words = append(words, shared[from:to])
		}
		requests = append(requests, words[first:len(words):len(words)])
	}
	return requests, nil
}

// ParseReplies reads what AppendReplies wrote: RESP2 values of any kind. There are about expected.
func ParseReplies(data []byte, expected int) ([]Reply, error) {
	p := parser{data: data}
	replies := make([]Reply, 0, min(expected, len(data)))
	for p.at < len(data) {
		replies = append(replies, Reply{})
		if err := p.reply(&replies[len(replies)-1], 0); err != nil {
			return nil, err
		}
	}
	return replies, nil
}

// ParseSettings reads what AppendSettings wrote.
func ParseSettings(data []byte) (Settings, error) {
	p := parser{data: data}
	n, err := p.head('*')
	if err != nil {
		return nil, err
	}
	if n < 0 || n%2 != 0 {
		return nil, errors.New("the settings are " + strconv.Itoa(n) + " words: they take a name and a value each")
	}
	s := Settings{}
	var words [2]string
	for range n / 2 {
		for i := range words {
			from, to, err := p.bulk()
			if err != nil {
				return nil, err
			}
			words[i] = string(data[from:to])
		}
		s[words[0]] = words[1]
	}
	if p.at < len(data) {
		return nil, p.broken("there is more behind the settings")
	}
	return s, nil
}

// parser reads RESP2. A length is believed only as far as there are bytes for it.
type parser struct {
	data []byte
	at   int
}

func (p *parser) broken(what string) error {
	return errors.New("at byte " + strconv.Itoa(p.at) + " of " + strconv.Itoa(len(p.data)) + ": " + what + "; this is not RESP2")
}

// line is the rest of the line, without its end.
func (p *parser) line() ([]byte, error) {
	// By hand: most lines have one or two characters.
	for i := p.at; i+1 < len(p.data); i++ {
		if p.data[i] == '\r' {
			if p.data[i+1] != '\n' {
				break
			}
			line := p.data[p.at:i]
			p.at = i + len("\r\n")
			return line, nil
		}
	}
	return nil, p.broken("a line has no end")
}

// head reads the first line of a list or a text, and returns its length; -1 where there is none.
func (p *parser) head(kind byte) (int, error) {
	if p.at >= len(p.data) || p.data[p.at] != kind {
		return 0, p.broken("'" + string(kind) + "' is due")
	}
	p.at++
	line, err := p.line()
	if err != nil {
		return 0, err
	}
	n, ok := length(line)
	if !ok || n > len(p.data)-p.at { // an item has a byte at least
		return 0, p.broken("a length is " + Quote(string(line), 40))
	}
	return n, nil
}

// length reads a length, or -1.
func length(line []byte) (int, bool) {
	if string(line) == "-1" {
		return -1, true
	}
	const most = 9 // digits: more than any message holds
	if len(line) == 0 || len(line) > most {
		return 0, false
	}
	n := 0
	for _, c := range line {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// bulk is where in data a text is.
func (p *parser) bulk() (from, to int, err error) {
	n, err := p.head('$')
	switch {
	case err != nil:
		return 0, 0, err
	case n < 0:
		return 0, 0, p.broken("a text is missing")
	}
	return p.body(n)
}

func (p *parser) body(n int) (from, to int, err error) {
	from, to = p.at, p.at+n
	if len(p.data) < to+2 || p.data[to] != '\r' || p.data[to+1] != '\n' {
		return 0, 0, p.broken("a text has no end")
	}
	p.at = to + len("\r\n")
	return from, to, nil
}

// reply reads a value into r.
func (p *parser) reply(r *Reply, depth int) error {
	kind := p.data[p.at]
	switch kind {
	case ':':
		p.at++
		line, err := p.line()
		if err != nil {
			return err
		}
		if len(line) == 1 && line[0] >= '0' && line[0] <= '9' { // most of them
			r.kind, r.integer = integer, int64(line[0]-'0')
			return nil
		}
		n, err := strconv.ParseInt(string(line), 10, 64)
		if err != nil {
			return p.broken("an integer is " + Quote(string(line), 40))
		}
		r.kind, r.integer = integer, n
		return nil
	case '+', '-':
		p.at++
		line, err := p.line()
		if err != nil {
			return err
		}
		if *r = Text(string(line)); kind == '-' {
			*r = Refusal(string(line))
		}
		return nil
	case '$':
		n, err := p.head('$')
		if err != nil || n < 0 {
			return err
		}
		from, to, err := p.body(n)
		// A text of its own: to keep one name is not to keep everything that was answered.
		r.kind, r.text = text, string(p.data[from:to])
		return err
	case '*':
		n, err := p.head('*')
		if err != nil || n < 0 {
			return err
		}
		if depth == maxNesting {
			return p.broken("lists nest deeper than " + strconv.Itoa(maxNesting))
		}
		const usual = 64 // a length that lies gets no more memory than this
		items := make([]Reply, 0, min(n, usual))
		for range n {
			if p.at >= len(p.data) {
				return p.broken("a list ends early")
			}
			items = append(items, Reply{})
			if err := p.reply(&items[len(items)-1], depth+1); err != nil {
				return err
			}
		}
		r.kind, r.list = list, &items
		return nil
	}
	return p.broken("a value begins with " + strconv.QuoteRune(rune(kind)))
}
