package runtime

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestTroubleWithConnectionsIsSaidOnceAMinute(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	now := time.UnixMilli(1_764_000_000_000)
	c := &connectionLog{
		log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}})),
		now: func() time.Time { return now }, saidAt: map[string]time.Time{},
	}
	say := func(lines ...string) string {
		log.Reset()
		for _, line := range lines {
			if _, err := c.Write([]byte(line + "\n")); err != nil {
				t.Error(err)
			}
		}
		return log.String()
	}
	const full = "http: Accept error: accept tcp 127.0.0.1:8787: accept4: too many open files; retrying in "
	for _, step := range []struct {
		lines []string
		want  string
	}{
		{[]string{full + "5ms", full + "10ms", full + "20ms"}, `level=WARN msg="a connection failed" error="` + full + `5ms"` + "\n"},
		{[]string{"http: TLS handshake error from 10.0.0.7:1234: EOF"}, `level=WARN msg="a connection failed" error="http: TLS handshake error from 10.0.0.7:1234: EOF"` + "\n"},
		{[]string{full + "1s"}, ""},
	} {
		if got := say(step.lines...); got != step.want {
			t.Errorf("%q: the log has\n%s, want\n%s", step.lines, got, step.want)
		}
	}
	now = now.Add(time.Minute)
	if got := say(full + "1s"); !strings.HasSuffix(got, "1s\" more_before=3\n") {
		t.Errorf("a minute later: %s", got)
	}
	for i := range 3 * mostTroubles {
		say(strings.Repeat("x", i))
	}
	if len(c.saidAt) > mostTroubles || len(c.unsaid) > mostTroubles {
		t.Errorf("%d kinds are remembered", len(c.saidAt))
	}
}
