package publish_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/internal/publish"
	"github.com/gravito-framework/pulse/internal/servertest"
)

// TestAlertsAreChangedByWhoSawTheLastChange: of two that have read the same states one saves.
func TestAlertsAreChangedByWhoSawTheLastChange(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := publish.New(servertest.Redis(t).Client, "redis", time.Minute)
	save := func(was, mark string, changed map[string]string, removed []string, want bool) {
		t.Helper()
		if saved, err := p.SaveAlerts(ctx, was, mark, changed, removed); err != nil || saved != want {
			t.Errorf("saved: %v, %v; want %v", saved, err, want)
		}
	}
	has := func(want map[string]string, mark string) {
		t.Helper()
		got, gotMark, err := p.Alerts(ctx)
		if diff := cmp.Diff(want, got); err != nil || diff != "" || gotMark != mark {
			t.Errorf("mark %q, %v, -want +got:\n%s", gotMark, err, diff)
		}
	}
	has(map[string]string{}, "")
	save("", "1", map[string]string{"a": "A", "b": "B"}, nil, true)
	save("", "2", map[string]string{"a": "X"}, []string{"b"}, false)
	has(map[string]string{"a": "A", "b": "B"}, "1")
	save("1", "2", map[string]string{"c": "C"}, []string{"a", "none"}, true)
	save("1", "3", nil, []string{"b"}, false)
	has(map[string]string{"b": "B", "c": "C"}, "2")
}
