package api_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/pagetest"
	"github.com/gravito-framework/pulse/internal/servertest"
)

// description is what a server says of its API, found valid by another's reader.
func description(t *testing.T) *openapi3.T {
	t.Helper()
	s := &pagetest.Store{}
	w := get(t, pagetest.Handler(s.Read, slog.New(slog.DiscardHandler)), "/openapi.json")
	doc, err := openapi3.NewLoader().LoadFromData(w.Body.Bytes())
	if err == nil {
		err = doc.Validate(t.Context())
	}
	if err != nil || w.Code != http.StatusOK {
		t.Fatalf("/openapi.json: %d, %v", w.Code, err)
	}
	return doc
}

// TestAnswersAreAsDescribed holds real answers, to good queries and bad ones, to the description.
func TestAnswersAreAsDescribed(t *testing.T) {
	t.Parallel()
	doc := description(t)
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	server := furnished(t, "")
	asked := map[string]bool{}
	for path, status := range map[string]int{
		"/api/v1/view": 200, "/api/v1/view?app=shop": 200, "/api/v1/view?q=%": 400,
		"/api/v1/queues": 200, "/api/v1/queues?queue=nobody": 404, "/api/v1/queues?status=dead": 400,
		"/api/v1/slow?app=shop": 200, "/api/v1/slow": 200, "/api/v1/slow?app=": 400, "/api/v1/slow?app=shop&limit=0": 400,
		"/api/v1/history?key=shop/sqs/orders&key=shop/sqs/nobody&key=*": 200, "/api/v1/history": 400,
		"/healthz": 200, "/openapi.json": 200, "/metrics": 200,
	} {
		a := call(t, http.MethodGet, server+path, nil)
		if a.status != status {
			t.Errorf("%s: %d, want %d", path, a.status, status)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		route, params, err := router.FindRoute(r)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		asked[route.Path] = true
		response := &openapi3filter.ResponseValidationInput{
			RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route},
			Status:                 a.status, Header: a.header,
			Options: &openapi3filter.Options{IncludeResponseStatus: true},
		}
		if err := openapi3filter.ValidateResponse(t.Context(), response.SetBodyBytes([]byte(a.body))); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	for path := range doc.Paths.Map() {
		if !asked[path] && path != "/api/v1/stream" {
			t.Errorf("%s was not asked", path)
		}
	}
}

// furnished is the URL of a server with something to say on each route.
func furnished(t *testing.T, token string) string {
	t.Helper()
	server := servertest.Redis(t)
	pagetest.Set(t, server, "pulse:queues:shop:sqs", `"app":"shop","source":"sqs","queues":[
		{"name":"orders","driver":"sqs","metrics":{"waiting":1,"active":2,"delayed":1,"failed":0},"meta":{"oldest_at":%d}},
		{"name":"mail","driver":"celery","metrics":{"waiting":0}}],"problems":[{"reason":"AccessDenied"}]`, time.Now().UnixMilli())
	pagetest.Set(t, server, "pulse:trend:shop", `"app":"shop","queues":{"sqs/orders":{"health":"growing","reason":"more wait","trend":{"waiting_per_min":1.5,"drain_seconds":60,"drain_range":[50,70]}}}`)
	pagetest.Set(t, server, "pulse:server:shop:web-1", `"system":{"hostname":"web-1","cpu_usage":12.5,"memory_total":100},"process":{"pid":1},"meta":{"app_name":"shop"}`)
	err := server.Client.XAdd(t.Context(), &redis.XAddArgs{Stream: "pulse:slow:shop", Values: []string{
		"timestamp", fmt.Sprint(time.Now().UnixMilli()), "kind", "http", "name", "GET /", "duration_ms", "900", "threshold_ms", "500", "meta", `{"status":200}`,
	}}).Err()
	if err != nil {
		t.Fatal(err)
	}
	return pagetest.Serve(t, server, token).URL
}

// TestStrangersQueries lets schemathesis read the description and ask what it allows, and what it doesn't.
func TestStrangersQueries(t *testing.T) {
	t.Parallel()
	python := servertest.Python(t, "schemathesis")
	const token = "a token that is long enough"
	url := furnished(t, token)
	cmd := exec.CommandContext(t.Context(), python, "-m", "schemathesis.cli", "run", url+"/openapi.json", "--header", "Authorization: Bearer "+token,
		// HEAD is taken where GET is, and members of a query that are not known are ignored.
		"--checks", "all", "--exclude-checks", "unsupported_method,negative_data_rejection",
		"--exclude-path", "/api/v1/stream", // it doesn't end
		"--max-examples", "25", "--phases", "examples,coverage,fuzzing", "--generation-database", "none", "--no-color")
	cmd.Dir = t.TempDir()
	said, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(said), "passed") {
		t.Errorf("schemathesis: %v\n%s", err, said)
	}
}
