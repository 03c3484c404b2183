package adapter

import "context"

// What a session asks in one round. A host allows four times as much; what is more is asked in
// several rounds, so that no number of queues is too many for it.
const (
	requestsAtOnce = 50_000
	bytesAtOnce    = 4 << 20
)

// Flow remembers, from one step of a poll to the next, what is to be done with the replies. A
// session embeds it and gets Next and Close; its zero value is ready.
type Flow struct {
	left    []Request // still to be asked before then is called
	asked   int       // of left, in the last step
	replies []Reply   // to what was asked before, where one round was not enough
	then    func([]Reply) Step
}

// Ask is the step that asks, and then what becomes of the replies. With nothing to ask, then is
// called at once.
func (f *Flow) Ask(requests []Request, then func([]Reply) Step) Step {
	if len(requests) == 0 {
		return then(nil)
	}
	f.left, f.replies, f.then = requests, nil, then
	return f.ask()
}

// ask is the step that asks as many of those left as one round takes.
func (f *Flow) ask() Step {
	f.asked = 0
	for size := 0; f.asked < min(len(f.left), requestsAtOnce); f.asked++ {
		size += f.left[f.asked].size()
		if size > bytesAtOnce && f.asked > 0 {
			break
		}
	}
	return Step{Requests: f.left[:f.asked:f.asked]}
}

// size is how many bytes r takes on a wire, or a few more.
func (r Request) size() int {
	n := len("*10\r\n")
	for _, argument := range r {
		if n += len(argument) + len("$10\r\n\r\n"); len(argument) >= 100 {
			n += len("000000")
		}
	}
	return n
}

// Next hands the replies to what Ask was given, once all are there.
func (f *Flow) Next(_ context.Context, replies []Reply) Step {
	if f.then == nil || len(replies) != f.asked {
		f.then = nil
		return Step{Err: ErrReplies}
	}
	if f.left = f.left[f.asked:]; len(f.left)+len(f.replies) > 0 {
		f.replies = append(f.replies, replies...)
		replies = f.replies
	}
	if len(f.left) > 0 {
		return f.ask()
	}
	then := f.then
	*f = Flow{}
	return then(replies)
}

// Close implements [Session] for sessions that hold nothing but memory.
func (f *Flow) Close() error { return nil }

// Questions are requests, each with what its reply is for, of any type T.
type Questions[T any] struct {
	Requests []Request
	For      []T
	words    []string // of the last requests: one list for many
}

// wordsAtOnce is how many words, of requests that are added one by one, share a list.
const wordsAtOnce = 256

// Ask adds a request. Inlined, its three appends would be a kilobyte of a guest at each call.
//
//go:noinline
func (q *Questions[T]) Ask(what T, request ...string) {
	if len(q.words)+len(request) > cap(q.words) { // a new list, where append would copy the old one's words
		q.words = make([]string, 0, max(min(2*cap(q.words), wordsAtOnce), len(request)))
	}
	first := len(q.words)
	q.words = append(q.words, request...)
	q.Add(what, q.words[first:len(q.words):len(q.words)])
}

// Add adds a request that is kept elsewhere.
func (q *Questions[T]) Add(what T, request Request) {
	q.Requests = append(q.Requests, request)
	q.For = append(q.For, what)
}
