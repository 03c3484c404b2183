package protocol

// AppendJSON appends s to dst, without checking it: [QueueSnapshot.Encode] does. The timestamp
// comes first, so that publishers can compare it without parsing the rest. encoding/json is not used:
// it costs a WebAssembly guest a megabyte, and three times the time.
func (s *QueueSnapshot) AppendJSON(dst []byte) []byte {
	dst = appendIntMember(append(dst, '{'), "timestamp", s.Timestamp)
	dst = appendText(appendMember(dst, "app"), s.App)
	if s.Source != "" {
		dst = appendText(appendMember(dst, "source"), s.Source)
	}
	if s.IntervalMS != 0 {
		dst = appendIntMember(dst, "interval_ms", s.IntervalMS)
	}
	dst = append(appendMember(dst, "queues"), '[')
	for i := range s.Queues {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = s.Queues[i].AppendJSON(dst)
	}
	dst = append(dst, ']')
	if len(s.Problems) > 0 {
		dst = append(appendMember(dst, "problems"), '[')
		for i, p := range s.Problems {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = p.appendJSON(dst)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// AppendJSON appends q to dst.
func (q *Queue) AppendJSON(dst []byte) []byte {
	dst = appendText(append(dst, `{"name":`...), q.Name)
	dst = appendText(append(dst, `,"driver":`...), string(q.Driver))
	dst = q.Metrics.AppendJSON(append(dst, `,"metrics":`...))
	if !q.Meta.IsZero() {
		dst = q.Meta.AppendJSON(append(dst, `,"meta":`...))
	}
	return append(dst, '}')
}

// AppendJSON appends m to dst.
func (m *Metrics) AppendJSON(dst []byte) []byte {
	dst = appendIntMember(append(dst, '{'), "waiting", m.Waiting)
	if m.Active != nil {
		dst = appendIntMember(dst, "active", *m.Active)
	}
	if m.Delayed != nil {
		dst = appendIntMember(dst, "delayed", *m.Delayed)
	}
	if m.Failed != nil {
		dst = appendIntMember(dst, "failed", *m.Failed)
	}
	return append(dst, '}')
}

func (p *Problem) appendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	if p.Queue != "" {
		dst = appendText(appendMember(dst, "queue"), p.Queue)
	}
	return append(appendText(appendMember(dst, "reason"), p.Reason), '}')
}
