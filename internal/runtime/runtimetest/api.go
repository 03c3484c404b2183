// Package runtimetest lets tests run a function's bootstrap, the file that is deployed, as Lambda does. It
// implements the part of the Lambda Runtime API that a function needs.
//
// [New] starts an API, [API.Start] a bootstrap, and [API.Invoke] hands it an event and waits for the answer. The
// API is described at https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html.
package runtimetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gravito-framework/pulse/internal/servertest"
)

// API is a Runtime API that hands events to one function.
type API struct {
	t       testing.TB
	address string
	next    chan invocation
	answers chan Response
	last    int
}

type invocation struct {
	id       string
	event    []byte
	deadline time.Time
}

// Response is how a function answered an event.
type Response struct {
	ID          string
	ContentType string
	Body        []byte
	// Prelude is the status and headers of a streamed answer; Body is the rest of it. Other answers have none.
	Prelude *Prelude
	// Error is the error that the function reported instead of an answer.
	Error string
}

// Prelude is what comes first in a streamed HTTP answer.
type Prelude struct {
	StatusCode int
	Headers    map[string]string
	Cookies    []string
}

// New starts a Runtime API that ends with the test.
func New(t testing.TB) *API {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &API{t: t, address: listener.Addr().String(), next: make(chan invocation), answers: make(chan Response, 1)}
	server := &http.Server{Handler: a, ReadHeaderTimeout: time.Minute}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return a
}

// Start runs a bootstrap as Lambda would.
func (a *API) Start(bootstrap string, env ...string) *servertest.Process {
	a.t.Helper()
	return servertest.Run(a.t, bootstrap, append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + a.address, "AWS_LAMBDA_FUNCTION_NAME=function", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128",
	}, env...))
}

// Invoke hands the function an event and waits for its whole answer.
func (a *API) Invoke(event []byte, timeout time.Duration) Response {
	a.t.Helper()
	a.last++
	a.next <- invocation{fmt.Sprintf("request-%d", a.last), event, time.Now().Add(timeout)}
	select {
	case r := <-a.answers:
		return r
	case <-time.After(timeout + time.Minute):
		a.t.Fatal("the function did not answer")
		return Response{}
	}
}

func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/2018-06-01/runtime/")
	switch {
	case path == "invocation/next":
		select {
		case <-r.Context().Done():
		case i := <-a.next:
			h := w.Header()
			h.Set("Lambda-Runtime-Aws-Request-Id", i.id)
			h.Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(i.deadline.UnixMilli()))
			h.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:123456789012:function:function")
			_, _ = w.Write(i.event)
		}
		return
	case strings.HasSuffix(path, "/response"):
		a.answers <- a.response(strings.Split(path, "/")[1], r)
	case strings.HasSuffix(path, "/error"):
		body, _ := io.ReadAll(r.Body)
		a.answers <- Response{Error: string(body)}
	default:
		a.t.Errorf("the function asked for %s", r.URL.Path)
	}
	w.WriteHeader(http.StatusAccepted)
}

// response reads a whole answer. A streamed one begins with its prelude as JSON and eight NUL bytes, and
// reports an error that happened later in a trailer.
func (a *API) response(id string, r *http.Request) Response {
	body, err := io.ReadAll(r.Body)
	out := Response{ID: id, ContentType: r.Header.Get("Content-Type"), Body: body}
	switch {
	case err != nil:
		out.Error = err.Error()
	case r.Trailer.Get("Lambda-Runtime-Function-Error-Type") != "":
		out.Error = r.Trailer.Get("Lambda-Runtime-Function-Error-Type")
	}
	if out.ContentType == "application/vnd.awslambda.http-integration-response" {
		prelude, rest, found := bytes.Cut(body, make([]byte, 8))
		out.Prelude = &Prelude{}
		if err := json.Unmarshal(prelude, out.Prelude); err != nil || !found {
			a.t.Errorf("the answer %.200q has no prelude: %v", body, err)
		}
		out.Body = rest
	}
	return out
}
