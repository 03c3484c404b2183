package config

import (
	"net/url"
	"time"

	"github.com/gravito-framework/pulse/internal/alert"
	"github.com/gravito-framework/pulse/internal/redisconn"
)

// Recording are the settings of programs that record.
type Recording struct {
	History time.Duration // how long history lives
	Rules   []alert.Rule
	// Channels is what [alert.ParseChannels] reads, found right. It holds secrets.
	Channels  string
	Repeat    time.Duration
	PublicURL string
}

// Recorder are the settings of functions/recorder.
type Recorder struct {
	Common
	Recording
	Redis *redisconn.Address
}

// NewRecorder reads the environment.
func NewRecorder(get Getenv) (Recorder, error) {
	r := newReader(get)
	s := Recorder{Common: r.common(), Recording: r.recording(), Redis: r.needRedis()}
	return s, r.err()
}

func (r *reader) recording() Recording {
	s := Recording{
		History:  r.durationWithin("PULSE_HISTORY", 24*time.Hour, time.Hour, 7*24*time.Hour, "1h to 168h"),
		Repeat:   r.durationWithin("PULSE_ALERT_REPEAT", 4*time.Hour, time.Minute, 7*24*time.Hour, "1m to 168h"),
		Channels: r.get("PULSE_ALERTS"), PublicURL: r.get("PULSE_PUBLIC_URL"),
	}
	var err error
	if s.Rules, err = alert.ParseRules(r.or("PULSE_ALERT_RULES", alert.DefaultRules)); err != nil {
		r.add("PULSE_ALERT_RULES: %w", err)
	}
	if _, err := alert.ParseChannels(s.Channels, nil, nil); err != nil {
		r.add("PULSE_ALERTS: %w", err) // it doesn't show them
	}
	if s.PublicURL != "" {
		if u, err := url.Parse(s.PublicURL); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
			r.add("PULSE_PUBLIC_URL is no address of a page: it takes where the dashboard is, such as https://pulse.example.com, without a login")
		}
	}
	return s
}
