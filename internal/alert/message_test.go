package alert

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/internal/view"
)

// TestLabelsAreThoseOfMetrics: both can be grouped and silenced together.
func TestLabelsAreThoseOfMetrics(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		state state
		want  map[string]string
	}{
		"a queue":                           {state{Kind: "queue", Key: "sqs/jobs", Source: "zz"}, map[string]string{"driver": "sqs", "queue": "jobs", "source": "zz"}},
		"one whose key is another's":        {state{Kind: "queue", Key: "sqs/jobs@zz", Plain: "sqs/jobs", Source: "zz"}, map[string]string{"driver": "sqs", "queue": "jobs", "source": "zz"}},
		"one without a source":              {state{Kind: "queue", Key: "sqs/jobs", Source: view.NoSource}, map[string]string{"driver": "sqs", "queue": "jobs"}},
		"and whose key is another's":        {state{Kind: "queue", Key: "sqs/jobs@", Plain: "sqs/jobs", Source: view.NoSource}, map[string]string{"driver": "sqs", "queue": "jobs"}},
		"one with an @ in its name":         {state{Kind: "queue", Key: "sqs/jobs@home", Source: "zz"}, map[string]string{"driver": "sqs", "queue": "jobs@home", "source": "zz"}},
		"one that an earlier version found": {state{Kind: "queue", Key: "sqs/jobs@zz"}, map[string]string{"driver": "sqs", "queue": "jobs@zz"}},
		"a reporter":                        {state{Kind: "reporter", Key: "zz", Source: "zz"}, map[string]string{"reporter": "zz"}},
	} {
		tc.state.Rule, tc.state.App = "stalled", "shop"
		tc.want["alertname"], tc.want["app"], tc.want["severity"] = "stalled", "shop", "critical"
		if diff := cmp.Diff(tc.want, notice{state: &tc.state}.labels()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
