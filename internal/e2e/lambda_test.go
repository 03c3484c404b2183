package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gravito-framework/pulse/internal/runtime/runtimetest"
	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/protocol"
)

// event is one of those for `sam local invoke`, with fields changed.
func event(t *testing.T, file string, change func(map[string]any)) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(servertest.Root(), "functions", file))
	if err != nil {
		t.Fatal(err)
	}
	var e map[string]any
	if err := json.Unmarshal(data, &e); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(e)
	}
	data, err = json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// maxRSS is the most memory that a function may ever hold.
const maxRSS = 40 << 20

// fitsInMemory checks the most memory that a process has held; Linux tells it.
func fitsInMemory(t *testing.T, p *servertest.Process) {
	t.Helper()
	if runtime.GOOS != "linux" {
		return
	}
	peak := p.PeakMemory(t)
	t.Logf("it took %.1f MiB of memory", float64(peak)/(1<<20))
	if peak > maxRSS {
		t.Errorf("at most %d MiB are allowed", maxRSS>>20)
	}
}

func TestReporterIsALambda(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	pipe := redis.Client.Pipeline()
	for i := range 1000 {
		key := "bull:queue-" + strconv.Itoa(i) + ":"
		pipe.HSet(t.Context(), key+"meta", "version", "bullmq:5.81.5")
		pipe.LPush(t.Context(), key+"wait", "1", "2")
		pipe.HSet(t.Context(), key+"1", "timestamp", 1_764_000_000_000)
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	api := runtimetest.New(t)
	p := api.Start(servertest.Build(t, redisReporter), "PULSE_REDIS_URL="+redis.URL, "PULSE_APP=shop", "PULSE_BULLMQ_QUEUES=*", "PULSE_INTERVAL=1s")
	for range 2 { // the second is a warm start
		r := api.Invoke(event(t, "redis-reporter/events/schedule.json", nil), 8*time.Second)
		var sum map[string]any
		if err := json.Unmarshal(r.Body, &sum); err != nil || r.Error != "" {
			t.Fatalf("it answered %s, error %q", r.Body, r.Error)
		}
		for _, field := range []string{"app", "source", "polls", "published", "queues", "problems", "duration_ms"} {
			if _, ok := sum[field]; !ok {
				t.Errorf("the summary has no %s: %s", field, r.Body)
			}
		}
		if sum["polls"].(float64) < 2 || sum["published"] != sum["polls"] || sum["queues"] != 1000.0 || len(sum["problems"].([]any)) > 0 {
			t.Errorf("the summary is %s", r.Body)
		}
	}
	data, err := redis.Client.Get(t.Context(), "pulse:queues:shop:redis").Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if s, problems, err := protocol.DecodeSnapshot(data); err != nil || len(problems) > 0 || len(s.Queues) != 1000 || s.Queues[0].Metrics.Waiting != 2 {
		t.Errorf("%d queues were published, problems %v, %v", len(s.Queues), problems, err)
	}
	if owner := redis.Client.Get(t.Context(), "pulse:owner:shop:redis").Val(); owner != "request-2" {
		t.Errorf("the owner is %q", owner)
	}
	fitsInMemory(t, p)
}

func TestSQSReporterIsALambda(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	moto := servertest.Moto(t)
	for _, name := range []string{"orders", "mail"} {
		servertest.CreateQueue(t, moto, name)
	}
	api := runtimetest.New(t)
	p := api.Start(servertest.Build(t, sqsReporter), append(servertest.AWSEnv(moto), "PULSE_REDIS_URL="+redis.URL, "PULSE_APP=shop", "PULSE_INTERVAL=1s")...)
	r := api.Invoke(event(t, "sqs-reporter/events/schedule.json", nil), 8*time.Second)
	var sum struct {
		App, Source              string
		Polls, Published, Queues int
		Problems                 []string
	}
	if err := json.Unmarshal(r.Body, &sum); err != nil || r.Error != "" {
		t.Fatalf("it answered %s, error %q", r.Body, r.Error)
	}
	if sum.App != "shop" || sum.Source != "sqs" || sum.Polls < 2 || sum.Published != sum.Polls || sum.Queues != 2 || len(sum.Problems) > 0 {
		t.Errorf("the summary is %s", r.Body)
	}
	data, err := redis.Client.Get(t.Context(), "pulse:queues:shop:sqs").Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if s, problems, err := protocol.DecodeSnapshot(data); err != nil || len(problems) > 0 || len(s.Queues) != 2 {
		t.Errorf("%d queues were published, problems %v, %v", len(s.Queues), problems, err)
	}
	fitsInMemory(t, p)
}

func TestNewestRunOfAReporterGoesOn(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	env := []string{"PULSE_REDIS_URL=" + redis.URL, "PULSE_APP=shop", "PULSE_BULLMQ_QUEUES=orders", "PULSE_INTERVAL=1s"}
	api := runtimetest.New(t)
	schedule := event(t, "redis-reporter/events/schedule.json", nil)
	p := api.Start(servertest.Build(t, redisReporter), env...)
	ended := make(chan runtimetest.Response, 1)
	go func() { ended <- api.Invoke(schedule, 120*time.Second) }()
	servertest.Eventually(t, "the older run's claim", func() bool { return redis.Client.Exists(t.Context(), "pulse:owner:shop:redis").Val() == 1 })
	// Another instance, started by the next minute's event, claims the reporter.
	redis.Client.Set(t.Context(), "pulse:owner:shop:redis", "another", time.Minute)
	if r := <-ended; r.Error != "" || !strings.Contains(string(r.Body), `"app":"shop"`) {
		t.Errorf("the older run answered %s, error %q", r.Body, r.Error)
	}
	servertest.Eventually(t, "a word of the older run about the newer", func() bool {
		return p.Running() && strings.Contains(p.Stderr(), "a newer run")
	})
}

// unzipped is the body of an answer that is compressed, to its very end.
func unzipped(t *testing.T, r runtimetest.Response) string {
	t.Helper()
	if r.Prelude == nil || r.Prelude.Headers["Content-Encoding"] != "gzip" {
		t.Fatalf("it is not compressed: %+v %.100q", r.Prelude, r.Body)
	}
	zipped, err := gzip.NewReader(bytes.NewReader(r.Body))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(zipped)
	if err != nil {
		t.Fatalf("after %q: %v", body, err)
	}
	return string(body)
}

func TestAggregatorIsALambda(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	redis.Client.Set(t.Context(), "pulse:queues:shop", `{"timestamp":1764000000000,"app":"shop","queues":[{"name":"emails","driver":"other","metrics":{"waiting":12}}]}`, time.Minute)
	const token = "sesame-open-sesame"
	bearer := func(e map[string]any) { e["headers"].(map[string]any)["authorization"] = "Bearer " + token }
	withPath := func(path string) func(map[string]any) {
		return func(e map[string]any) {
			bearer(e)
			e["rawPath"] = path
			e["requestContext"].(map[string]any)["http"].(map[string]any)["path"] = path
		}
	}
	api := runtimetest.New(t)
	p := api.Start(servertest.Build(t, aggregator), "PULSE_REDIS_URL="+redis.URL, "PULSE_TOKEN="+token)
	const functionURL, httpAPI = "aggregator/events/function-url-dashboard.json", "aggregator/events/http-api-view.json"

	r := api.Invoke(event(t, functionURL, func(e map[string]any) { delete(e["requestContext"].(map[string]any), "authorizer") }), time.Minute)
	if r.Prelude == nil || r.Prelude.StatusCode != http.StatusUnauthorized || !strings.Contains(unzipped(t, r), "<form") {
		t.Errorf("without a token it answered %+v %.100q", r.Prelude, r.Body)
	}
	r = api.Invoke(event(t, functionURL, bearer), time.Minute)
	if r.Prelude == nil || r.Prelude.StatusCode != http.StatusOK || !strings.Contains(r.Prelude.Headers["Content-Type"], "text/html") {
		t.Errorf("the page is %+v %.100q", r.Prelude, r.Body)
	}
	r = api.Invoke(event(t, functionURL, withPath("/api/v1/view")), time.Minute)
	if r.Prelude == nil || r.Prelude.StatusCode != http.StatusOK {
		t.Errorf("the view is %+v %.100q", r.Prelude, r.Body)
	}
	// The deadline is near: the stream ends by itself, after a whole view.
	r = api.Invoke(event(t, functionURL, withPath("/api/v1/stream")), 7*time.Second)
	if events := unzipped(t, r); r.Error != "" || !strings.Contains(events, "event: view\n") || !strings.Contains(events, `"emails"`) || !strings.HasSuffix(events, ": the end of this stream; connect again\n\n") {
		t.Errorf("the stream is %q, error %q", events, r.Error)
	}
	// Behind an HTTP API the answer is one JSON document.
	r = api.Invoke(event(t, httpAPI, bearer), time.Minute)
	var whole struct {
		StatusCode      int
		Body            string
		IsBase64Encoded bool
		Headers         map[string]string
	}
	if err := json.Unmarshal(r.Body, &whole); err != nil || whole.StatusCode != http.StatusOK || r.Prelude != nil {
		t.Fatalf("behind an HTTP API it answered %.300q, %v", r.Body, err)
	}
	if whole.IsBase64Encoded != (whole.Headers["Content-Encoding"] == "gzip") {
		t.Errorf("base64 is %v with headers %v", whole.IsBase64Encoded, whole.Headers)
	}
	if whole.IsBase64Encoded {
		if _, err := base64.StdEncoding.DecodeString(whole.Body); err != nil {
			t.Error(err)
		}
	}
	if strings.Contains(p.Stderr(), token) {
		t.Error("the token is in the log")
	}
	fitsInMemory(t, p)
}

func TestFunctionWithoutTokenAnswersOnlyWhatIAMAuthenticated(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	api := runtimetest.New(t)
	api.Start(servertest.Build(t, aggregator), "PULSE_REDIS_URL="+redis.URL)
	iam := map[string]any{"iam": map[string]any{"userArn": "arn:aws:iam::123456789012:user/alice", "accountId": "123456789012"}}
	for _, tc := range []struct {
		authorizer any
		want       int
	}{{nil, 403}, {map[string]any{"iam": map[string]any{}}, 403}, {iam, 200}} {
		r := api.Invoke(event(t, "aggregator/events/function-url-dashboard.json", func(e map[string]any) {
			e["requestContext"].(map[string]any)["authorizer"] = tc.authorizer
		}), time.Minute)
		if r.Prelude == nil || r.Prelude.StatusCode != tc.want {
			t.Errorf("with the authorizer %v it answered %+v, want %d", tc.authorizer, r.Prelude, tc.want)
		}
	}
}
