package discover

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gravito-framework/pulse/internal/servertest"
)

// TestALargeValueCountsOnce: of all values together 32 MiB are read, so 30 MiB are, whether they are few
// large ones or not.
func TestALargeValueCountsOnce(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	const values = 300
	value := strings.Repeat("x", 100<<10)
	for i := range values {
		server.Client.Set(t.Context(), fmt.Sprintf("pulse:queues:app%03d", i), value, 0)
	}
	r := New(server.Client, "redis", manyKeys)
	docs, err := readAll(t.Context(), r, time.UnixMilli(1_764_000_000_000))
	if err != nil {
		t.Fatal(err)
	}
	whole := 0
	for _, d := range docs {
		if d.Err != nil {
			t.Fatalf("%s: %v", d.Key, d.Err)
		}
		if string(d.Data) == value {
			whole++
		}
	}
	if whole != values {
		t.Errorf("%d of %d values are read", whole, values)
	}
}
