package api

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/gravito-framework/pulse/internal/view"
)

// report is a reporter's document of so many queues.
func report(queues int) view.Document {
	list := make([]string, queues)
	for i := range list {
		list[i] = fmt.Sprintf(`{"name":"queue-%d","driver":"sqs","metrics":{"waiting":1}}`, i)
	}
	return view.Document{Key: "pulse:queues:shop", Data: fmt.Appendf(nil, `{"timestamp":%d,"app":"shop","queues":[%s]}`, time.Now().UnixMilli(), strings.Join(list, ","))}
}

// TestALargeViewIsNotKeptEncodedWhileTheNextIsRead: the reading takes as much as the view again.
func TestALargeViewIsNotKeptEncodedWhileTheNextIsRead(t *testing.T) {
	t.Parallel()
	for queues, isKept := range map[int]bool{100: true, 10_000: false} {
		doc := report(queues)
		var live *Live
		var before *version
		var text []byte
		live = NewLive(func(_ context.Context, _ time.Time, add func(view.Document) bool) (time.Duration, error) {
			if before != nil {
				now := live.latest()
				if is := now.size.Load() > 0; is != isKept {
					t.Errorf("of %d queues %d bytes are kept", queues, now.size.Load())
				}
				if got := bytes.Join(now.json().parts, nil); !bytes.Equal(got, text) || now.etag() != before.etag() || now.seq != before.seq {
					t.Errorf("of %d queues who asks meanwhile gets another view", queues)
				}
			}
			add(doc)
			return 0, nil
		}, 0, slog.New(slog.DiscardHandler))
		for range 2 {
			if err := live.refresh(t.Context(), time.Now()); err != nil {
				t.Fatal(err)
			}
			v := live.latest()
			text = bytes.Join(v.json().parts, nil)
			if before != nil && (v.etag() != before.etag() || v.seq != before.seq) {
				t.Errorf("%d queues that are as before have another tag", queues)
			}
			before = v
		}
	}
}
