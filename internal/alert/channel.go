package alert

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gravito-framework/pulse/internal/logonce"
)

// Channel is somebody who is told of alerts.
type Channel struct {
	id   string // of its address, which it doesn't tell: in the states
	name string // in the log: its kind, its number in the settings and its host
	most int    // how many alerts it is told of at a time

	send func(ctx context.Context, m message) (told int, err error)

	notBefore time.Time        // it said to leave it alone until then
	troubles  logonce.Troubles // why it cannot be told, by cause
}

// message is what a channel is to be told now.
type message struct {
	notices []notice
	page    string
}

// SNS publishes to a topic of Amazon's Simple Notification Service.
type SNS func(ctx context.Context, topicARN, subject, text string) error

const (
	// mostAtOnce is how many alerts one message tells of, at least by their number; mostListed how many Alertmanager's
	// JSON lists, and mostEvents how many events go to PagerDuty in a minute.
	mostAtOnce = maxAlerts
	mostListed = 200
	mostEvents = 20
	// httpTimeout bounds one request.
	httpTimeout = 10 * time.Second
	// maxRetryAfter bounds how long a channel may ask to be left alone.
	maxRetryAfter = 15 * time.Minute
)

// poster posts JSON.
type poster struct{ client *http.Client }

// ParseChannels reads channels that are separated by commas. http.Transport's default is used where transport is nil.
func ParseChannels(text string, transport http.RoundTripper, sns SNS) ([]*Channel, error) {
	p := poster{&http.Client{Transport: transport, Timeout: httpTimeout, CheckRedirect: refuseRedirect}}
	var channels []*Channel
	seen := map[string]bool{}
	n := 0
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		n++
		c, err := p.channel(part, sns)
		if err != nil {
			return nil, fmt.Errorf("its channel %d: %w", n, err)
		}
		sum := sha256.Sum256([]byte(part))
		c.id = hex.EncodeToString(sum[:6])
		c.name = fmt.Sprintf("%d (%s)", n, c.name)
		if seen[c.id] {
			return nil, fmt.Errorf("its channel %d is there twice", n)
		}
		seen[c.id] = true
		channels = append(channels, c)
	}
	return channels, nil
}

const channelForms = "it takes https://hooks.slack.com/…, https://discord.com/api/webhooks/…, pagerduty:KEY, sns:arn:aws:sns:…, or any other https:// address, which gets Alertmanager's webhook JSON"

// channel reads one. Its errors show nothing of the text, which is a secret.
func (p poster) channel(text string, sns SNS) (*Channel, error) {
	if arn, ok := strings.CutPrefix(text, "sns:"); ok {
		if parts := strings.Split(arn, ":"); len(parts) != 6 || parts[0] != "arn" || parts[2] != "sns" {
			return nil, errors.New("what follows sns: is no ARN of a topic, such as arn:aws:sns:eu-west-1:123456789012:alerts")
		}
		return &Channel{name: "sns", most: mostAtOnce, send: func(ctx context.Context, m message) (int, error) {
			if err := sns(ctx, arn, m.title(), m.text()); err != nil {
				return 0, err
			}
			return len(m.notices), nil
		}}, nil
	}
	if key, ok := strings.CutPrefix(text, "pagerduty:"); ok {
		if key == "" || strings.ContainsAny(key, " /") {
			return nil, errors.New("what follows pagerduty: is no integration key of PagerDuty's Events API v2")
		}
		return &Channel{name: "pagerduty", most: mostEvents, send: p.pagerDuty("https://events.pagerduty.com/v2/enqueue", key)}, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || strings.ContainsAny(text, " \t\n") {
		return nil, errors.New(channelForms)
	}
	if port := u.Port(); port != "" {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return nil, errors.New(channelForms)
		}
	}
	form, kind := message.alertmanager, "webhook"
	switch host := u.Hostname(); {
	case host == "hooks.slack.com":
		form, kind = message.slack, "slack"
	case (host == "discord.com" || host == "discordapp.com") && strings.HasPrefix(u.Path, "/api/webhooks/"):
		form, kind = message.discord, "discord"
	}
	return &Channel{name: kind + " at " + u.Hostname(), most: mostAtOnce, send: func(ctx context.Context, m message) (int, error) {
		if err := p.post(ctx, text, form(m)); err != nil {
			return 0, err
		}
		return len(m.notices), nil
	}}, nil
}

// refuseRedirect keeps a channel from sending us elsewhere, such as to an address in a private network.
func refuseRedirect(*http.Request, []*http.Request) error { return errRedirect }

var errRedirect = errors.New("it redirects, which is not followed: set the address that it redirects to")

// retryLaterError is that a channel asks to be left alone for some time.
type retryLaterError struct {
	error

	after time.Duration
}

func (e *retryLaterError) Unwrap() error { return e.error }

// post posts a document. Its errors don't show the address, which is a secret.
func (p poster) post(ctx context.Context, address string, document any) error {
	body, err := json.Marshal(document)
	if err != nil {
		panic(err) // it is texts, numbers and lists
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return errors.New("its address is none")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "gravito-pulse")
	answer, err := p.client.Do(r)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err // without the address
		}
		return withoutAnswer(err)
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, 64<<10) // so that the connection can be used again
	if answer.StatusCode >= 200 && answer.StatusCode < 300 {
		return nil
	}
	// Its own words may be anything, such as the address.
	err = errors.New(strings.TrimSpace(fmt.Sprintf("it answered %d %s", answer.StatusCode, http.StatusText(answer.StatusCode))))
	if after := retryAfter(answer.Header.Get("Retry-After")); after > 0 {
		return &retryLaterError{err, after}
	}
	return err
}

// withoutAnswer is an error of a request that shows nothing of the answer, which is foreign text and may have the address.
func withoutAnswer(err error) error {
	switch text := err.Error(); {
	case strings.Contains(text, "malformed HTTP"), strings.Contains(text, "malformed MIME"):
		return errors.New("what it answers is no HTTP")
	case strings.Contains(text, "Location header"):
		return errRedirect
	}
	return err
}

// retryAfter reads the header of that name: seconds, or a time.
func retryAfter(header string) time.Duration {
	after := time.Duration(0)
	if s, err := strconv.ParseUint(header, 10, 31); err == nil {
		after = time.Duration(s) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		after = time.Until(at)
	}
	return min(max(after, 0), maxRetryAfter)
}

// Test sends one alert to each channel, and its end. It writes a line on which were told; its error says which could not be.
func (m *Manager) Test(ctx context.Context, w io.Writer) error {
	if len(m.Channels) == 0 {
		return errors.New("PULSE_ALERTS is not set, so there is nobody to tell")
	}
	now := time.Now()
	s := &state{
		Phase: firing, Rule: "test", App: "pulse", Kind: "queue", Key: "test/alerts", Since: now.UnixMilli(), Seen: now.UnixMilli(), Over: now.UnixMilli(),
		Reason: "this is a test of Gravito Pulse: nothing is wrong",
	}
	var told []string
	var errs []error
	for _, c := range m.Channels {
		told = append(told, c.name)
		for _, as := range []phase{firing, resolved} { // so that nothing is left open
			ctx, cancel := context.WithTimeout(ctx, sendTimeout)
			_, err := c.send(ctx, message{[]notice{{s, as, 0}}, m.PublicURL})
			cancel()
			if err != nil {
				errs = append(errs, fmt.Errorf("send a test to channel %s: %w", c.name, err))
				told = told[:len(told)-1]
				break
			}
		}
	}
	if len(told) > 0 {
		if _, err := fmt.Fprintf(w, "a test alert, and its end, was sent to channel %s\n", strings.Join(told, ", ")); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
