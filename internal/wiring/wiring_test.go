package wiring

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gravito-framework/pulse/internal/config"
	"github.com/gravito-framework/pulse/internal/servertest"
)

// TestOneOutageIsOneLineOfAnAggregator: the view, slow entries, histories and the recorder all meet it, and its end.
func TestOneOutageIsOneLineOfAnAggregator(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	server.Stop()
	s, err := config.NewAggregator(func(name string) string { return map[string]string{"PULSE_REDIS_URL": server.URL}[name] })
	if err != nil {
		t.Fatal(err)
	}
	var log servertest.Output
	handler, recorder := Aggregator(t.Context(), s, slog.New(slog.NewTextHandler(&log, nil)))
	ask := func(status int) bool {
		for _, path := range []string{"slow?app=shop", "slow", "history?key=*", "history?key=shop/sqs/mails", "view"} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/"+path, http.NoBody)
			r.Host = "localhost"
			w := httptest.NewRecorder()
			if handler.ServeHTTP(w, r); w.Code != status {
				return false
			}
		}
		return true
	}
	ended := make(chan struct{})
	ctx, end := context.WithCancel(t.Context())
	go func() { defer close(ended); recorder.Run(ctx, "the test's") }()
	for range 3 {
		if !ask(http.StatusServiceUnavailable) || !recorder.IsDown(t.Context()) {
			t.Fatal("an answer without Redis")
		}
	}
	ask(http.StatusServiceUnavailable) // and at once it is over
	server.Start()
	servertest.Eventually(t, "that it reads and records", func() bool {
		return ask(http.StatusOK) && server.Client.Get(t.Context(), "pulse:owner:recorder").Val() == "the test's"
	})
	end()
	<-ended
	said := log.String()
	if strings.Count(said, "level=WARN") != 1 || !strings.Contains(said, "connection refused") || strings.Count(said, "again") != 1 || !strings.Contains(said, `msg="reads again"`) {
		t.Errorf("it said\n%s", said)
	}
}
