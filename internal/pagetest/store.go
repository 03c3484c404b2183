package pagetest

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gravito-framework/pulse/internal/api"
	"github.com/gravito-framework/pulse/internal/view"
)

// Store is what a Live reads.
type Store struct {
	mu    sync.Mutex
	docs  map[string]string
	err   error
	reads int
	Hangs atomic.Bool // for hangsFor, which is how long discover waits for Redis
}

const hangsFor = 8 * time.Second

// Read is Live's Read.
func (s *Store) Read(ctx context.Context, now time.Time, add func(view.Document) bool) (ahead time.Duration, err error) {
	if s.Hangs.Load() {
		ctx, cancel := context.WithTimeout(ctx, hangsFor)
		defer cancel()
		<-ctx.Done()
		return 0, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	if s.err != nil {
		return 0, s.err
	}
	for key, text := range s.docs {
		d := view.Document{Key: key, SeenAt: now.UnixMilli()}
		if text != "" {
			d.Data = []byte(text)
		}
		add(d)
	}
	return 0, ctx.Err()
}

// Set stores a document that was made now; without a format the key is gone.
func (s *Store) Set(key, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.docs == nil {
		s.docs = map[string]string{}
	}
	s.docs[key] = ""
	if format != "" {
		s.docs[key] = fmt.Sprintf(`{"timestamp":%d,`, time.Now().UnixMilli()) + fmt.Sprintf(format, args...) + "}"
	}
}

// Forget is what a day without a key does.
func (s *Store) Forget(keys ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		delete(s.docs, key)
	}
}

// Fail has each reading from now on fail with err; nil ends that.
func (s *Store) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// Count is how often it was read.
func (s *Store) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

// OneQueue is a snapshot's members, for Set, with a number of waiting jobs.
const OneQueue = `"app":"shop","queues":[{"name":"emails","driver":"sqs","metrics":{"waiting":%d}}]`

// Handler is the API over what read reads, without a Redis.
func Handler(read api.Read, log *slog.Logger) http.Handler {
	s := &api.Server{Live: api.NewLive(read, 0, log), Ping: func(context.Context) error { return nil }, Log: log}
	return s.Handler()
}
