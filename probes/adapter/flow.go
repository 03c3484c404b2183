package adapter

// Flow remembers, from one step of a poll to the next, what is to be done with the replies. A
// session embeds it and gets Next; its zero value is ready.
type Flow struct {
	asked int
	then  func([]Reply) Step
}

// Ask is the step that asks, and then what becomes of the replies. With nothing to ask, then is
// called at once.
func (f *Flow) Ask(requests []Request, then func([]Reply) Step) Step {
	if len(requests) == 0 {
		return then(nil)
	}
	f.asked, f.then = len(requests), then
	return Step{Requests: requests}
}

// Next hands the replies to whoever asked.
func (f *Flow) Next(replies []Reply) Step {
	then := f.then
	f.then = nil
	if then == nil || len(replies) != f.asked {
		return Step{Err: ErrReplies}
	}
	return then(replies)
}
