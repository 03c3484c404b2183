package recorder

import (
	"context"
	"time"

	"github.com/gravito-framework/pulse/internal/view"
	"github.com/gravito-framework/pulse/protocol"
)

// Read takes a reading: see api.Read.
type Read = func(ctx context.Context, now time.Time, add func(view.Document) bool) (ahead time.Duration, err error)

// lastAtOnce is how many histories one reading reads, so that it does not take long: the others' turn is next.
const lastAtOnce = 20

// WithLastNumbers makes a reader of read that knows, from history, what a lost key last held. So a program that has
// just started shows lost queues with their last numbers. Each app's history is read once.
func (s *Store) WithLastNumbers(read Read) Read {
	known := map[string]map[string]*protocol.QueueSnapshot{} // by app and source; nil after a reading that had them
	return func(ctx context.Context, now time.Time, add func(view.Document) bool) (time.Duration, error) {
		left := lastAtOnce
		ahead, err := read(ctx, now, func(d view.Document) bool {
			if address, ok := protocol.ParseKey(d.Key); ok && d.Data == nil && d.Err == nil && address.Kind == protocol.KindQueues {
				if _, isRead := known[address.App]; !isRead && left > 0 {
					left--
					if last, err := s.lastNumbers(ctx, address.App); err == nil {
						known[address.App] = last
					} else {
						left = 0 // the next reading asks again: each that fails may take seconds
					}
				}
				d.Last = known[address.App][address.Rest]
			}
			return add(d)
		})
		if err == nil {
			for app := range known {
				known[app] = nil
			}
		}
		return ahead, err
	}
}

// lastNumbers are the last numbers of an app's queues that history has as lost, or had when it was last written, by
// their source.
func (s *Store) lastNumbers(ctx context.Context, app string) (map[string]*protocol.QueueSnapshot, error) {
	decoders, _, err := s.History(ctx, time.Now().UnixMilli(), map[string]Wants{app: {}})
	if err != nil {
		return nil, err
	}
	last := map[string]*protocol.QueueSnapshot{}
	for q := range decoders[app].Last() {
		snapshot := last[q.Source]
		if snapshot == nil {
			snapshot = &protocol.QueueSnapshot{App: app, Source: q.Source}
			last[q.Source] = snapshot
		}
		snapshot.Timestamp = max(snapshot.Timestamp, q.Seen)
		queue := protocol.Queue{Name: q.Name, Driver: q.Driver, Metrics: q.Metrics}
		if q.MetaDriver != "" {
			queue.Meta.SetText("driver", q.MetaDriver)
		}
		if q.Workers != nil {
			queue.Meta.SetInt("workers", *q.Workers)
		}
		if q.Paused {
			queue.Meta.SetBool("paused", true)
		}
		snapshot.Queues = append(snapshot.Queues, queue)
	}
	return last, nil
}
