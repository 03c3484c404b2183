package runtime

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/internal/servertest"
)

const (
	functionURL = "abc.lambda-url.eu-west-1.on.aws"
	httpAPI     = "abc.execute-api.eu-west-1.amazonaws.com"
)

// get is a GET as an event.
func get(domain, path string) *events.APIGatewayV2HTTPRequest {
	e := &events.APIGatewayV2HTTPRequest{Version: "2.0", RawPath: path}
	e.RequestContext.DomainName, e.RequestContext.Stage = domain, "$default"
	e.RequestContext.HTTP.Method, e.RequestContext.HTTP.SourceIP = http.MethodGet, "203.0.113.7"
	return e
}

// streamedAnswer serves e as a Function URL does, and reads all of it.
func streamedAnswer(t *testing.T, h http.Handler, e *events.APIGatewayV2HTTPRequest) (*events.LambdaFunctionURLStreamingResponse, string) {
	t.Helper()
	answer, err := serveEvent(t.Context(), h, e)
	if err != nil {
		t.Fatal(err)
	}
	r, ok := answer.(*events.LambdaFunctionURLStreamingResponse)
	if !ok {
		t.Fatalf("a Function URL got a %T", answer)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(body)
}

func bufferedAnswer(t *testing.T, h http.Handler, e *events.APIGatewayV2HTTPRequest) *events.APIGatewayV2HTTPResponse {
	t.Helper()
	answer, err := serveEvent(t.Context(), h, e)
	if err != nil {
		t.Fatal(err)
	}
	r, ok := answer.(*events.APIGatewayV2HTTPResponse)
	if !ok {
		t.Fatalf("an HTTP API got a %T", answer)
	}
	return r
}

func TestEventIsTheRequestThatWasMade(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*events.APIGatewayV2HTTPRequest)
		want   string
	}{
		"as it is":           {nil, `GET /api/v1/view "" host abc.execute-api.eu-west-1.amazonaws.com from 203.0.113.7:0`},
		"query":              {func(e *events.APIGatewayV2HTTPRequest) { e.RawQueryString = "q=a%26b&app=shop" }, `q=a&b app=shop`},
		"cookies are joined": {func(e *events.APIGatewayV2HTTPRequest) { e.Cookies = []string{"a=1", "pulse_session=x.y"} }, `session x.y`},
		"a body":             {func(e *events.APIGatewayV2HTTPRequest) { e.Body = "token=x" }, `"token=x"`},
		"a body in base64":   {func(e *events.APIGatewayV2HTTPRequest) { e.Body, e.IsBase64Encoded = "dG9rZW49eQ==", true }, `"token=y"`},
		"a named stage": {func(e *events.APIGatewayV2HTTPRequest) {
			e.RequestContext.Stage, e.RawPath = "prod", "/prod/api/v1/view"
		}, `GET /api/v1/view `},
		"a stage's own root":     {func(e *events.APIGatewayV2HTTPRequest) { e.RequestContext.Stage, e.RawPath = "prod", "/prod/" }, `GET / `},
		"a stage like a path":    {func(e *events.APIGatewayV2HTTPRequest) { e.RequestContext.Stage = "ap" }, `GET /api/v1/view `},
		"a stage behind a name":  {func(e *events.APIGatewayV2HTTPRequest) { e.RequestContext.Stage = "prod" }, `GET /api/v1/view `},
		"an escaped path":        {func(e *events.APIGatewayV2HTTPRequest) { e.RawPath = "/a%2Fb%20c" }, `GET /a/b c `},
		"a path badly escaped":   {func(e *events.APIGatewayV2HTTPRequest) { e.RawPath = "/a%zz" }, `GET /a%zz `},
		"an IPv6 address":        {func(e *events.APIGatewayV2HTTPRequest) { e.RequestContext.HTTP.SourceIP = "2001:db8::1" }, `from [2001:db8::1]:0`},
		"another method":         {func(e *events.APIGatewayV2HTTPRequest) { e.RequestContext.HTTP.Method = http.MethodDelete }, `DELETE /api`},
		"headers in lower case":  {func(e *events.APIGatewayV2HTTPRequest) { e.Headers = map[string]string{"authorization": "Bearer x"} }, `auth Bearer x`},
		"a Host that is claimed": {func(e *events.APIGatewayV2HTTPRequest) { e.Headers = map[string]string{"host": "localhost"} }, `host abc.execute-api`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := get(httpAPI, "/api/v1/view")
			if tc.change != nil {
				tc.change(e)
			}
			r := bufferedAnswer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				c, err := r.Cookie("pulse_session")
				if err != nil {
					c = &http.Cookie{}
				}
				q := r.URL.Query()
				fmt.Fprintf(w, "%s %s %q host %s from %s auth %s session %s q=%s app=%s",
					r.Method, r.URL.Path, body, r.Host, r.RemoteAddr, r.Header.Get("Authorization"), c.Value, q.Get("q"), q.Get("app"))
			}), e)
			if !strings.Contains(r.Body, tc.want) {
				t.Errorf("it is %s, want %s", r.Body, tc.want)
			}
		})
	}
}

func TestEventThatIsNoRequestIsAnError(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*events.APIGatewayV2HTTPRequest){
		"a body that is no base64": func(e *events.APIGatewayV2HTTPRequest) { e.Body, e.IsBase64Encoded = "%", true },
		"a method that is none":    func(e *events.APIGatewayV2HTTPRequest) { e.RequestContext.HTTP.Method = "GET /" },
	} {
		e := get(functionURL, "/")
		change(e)
		if _, err := serveEvent(t.Context(), http.NotFoundHandler(), e); err == nil || !strings.Contains(err.Error(), "event") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// answers is a handler with everything that an answer can have.
func answers(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Add("Set-Cookie", "a=1; HttpOnly")
	h.Add("Set-Cookie", "b=2")
	h.Add("Vary", "Accept")
	h.Add("Vary", "Cookie")
	w.WriteHeader(http.StatusTeapot)
	w.WriteHeader(http.StatusOK) // too late
	h.Set("Too", "late")
	_, _ = io.WriteString(w, "short and ")
	_, _ = io.WriteString(w, "stout")
}

func TestAnswerIsTheHandlersEitherWay(t *testing.T) {
	t.Parallel()
	headers, cookies := map[string]string{"Vary": "Accept, Cookie"}, []string{"a=1; HttpOnly", "b=2"}
	s, body := streamedAnswer(t, http.HandlerFunc(answers), get(functionURL, "/"))
	if diff := cmp.Diff([]any{http.StatusTeapot, headers, cookies, "short and stout"}, []any{s.StatusCode, s.Headers, s.Cookies, body}); diff != "" {
		t.Errorf("streamed (-want +got):\n%s", diff)
	}
	b := bufferedAnswer(t, http.HandlerFunc(answers), get(httpAPI, "/"))
	if diff := cmp.Diff([]any{http.StatusTeapot, headers, cookies, "short and stout", false}, []any{b.StatusCode, b.Headers, b.Cookies, b.Body, b.IsBase64Encoded}); diff != "" {
		t.Errorf("buffered (-want +got):\n%s", diff)
	}
	writesNothing := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	if s, body := streamedAnswer(t, writesNothing, get(functionURL, "/")); s.StatusCode != http.StatusOK || body != "" {
		t.Errorf("a handler that says nothing: %d %q", s.StatusCode, body)
	}
	if b := bufferedAnswer(t, writesNothing, get(httpAPI, "/")); b.StatusCode != http.StatusOK || b.Body != "" {
		t.Errorf("a handler that says nothing: %d %q", b.StatusCode, b.Body)
	}
}

func TestAnswerToHEADHasNoBody(t *testing.T) {
	t.Parallel()
	for _, domain := range []string{functionURL, httpAPI} {
		e := get(domain, "/")
		e.RequestContext.HTTP.Method = http.MethodHead
		if domain == functionURL {
			if s, body := streamedAnswer(t, http.HandlerFunc(answers), e); s.StatusCode != http.StatusTeapot || body != "" {
				t.Errorf("%s: %d %q", domain, s.StatusCode, body)
			}
		} else if b := bufferedAnswer(t, http.HandlerFunc(answers), e); b.StatusCode != http.StatusTeapot || b.Body != "" {
			t.Errorf("%s: %d %q", domain, b.StatusCode, b.Body)
		}
	}
}

func TestCompressedAnswerIsBase64BehindAnHTTPAPI(t *testing.T) {
	t.Parallel()
	binary := "\x1f\x8b\x00\xff"
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, binary)
	})
	b := bufferedAnswer(t, h, get(httpAPI, "/"))
	if body, err := base64.StdEncoding.DecodeString(b.Body); err != nil || !b.IsBase64Encoded || string(body) != binary {
		t.Errorf("buffered it is %+v, %v", b, err)
	}
	if _, body := streamedAnswer(t, h, get(functionURL, "/")); body != binary {
		t.Errorf("streamed it is %q", body)
	}
}

func TestStreamedAnswerGoesOutAsItIsWritten(t *testing.T) {
	t.Parallel()
	more := make(chan struct{})
	ended := make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		defer close(ended)
		_, _ = io.WriteString(w, "first")
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Errorf("flush: %v", err)
		}
		<-more
		_, err := io.WriteString(w, "second")
		if !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("to nobody it wrote with %v", err)
		}
	})
	answer, err := serveEvent(t.Context(), h, get(functionURL, "/"))
	if err != nil {
		t.Fatal(err)
	}
	r := answer.(*events.LambdaFunctionURLStreamingResponse)
	first := make([]byte, 5)
	if _, err := io.ReadFull(r.Body, first); err != nil || string(first) != "first" {
		t.Errorf("while the handler goes on, what came is %q, %v", first, err)
	}
	if err := r.Close(); err != nil { // the other side has gone
		t.Error(err)
	}
	close(more)
	<-ended
}

func TestBehindAnHTTPAPINothingStreams(t *testing.T) {
	t.Parallel()
	bufferedAnswer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, streams := w.(http.Flusher); streams {
			t.Error("the handler thinks that it can stream")
		}
	}), get(httpAPI, "/"))
}

// A handler recovers from its own panics. Should it not, the process must live.
func TestPanicWhileStreamingIsAnError(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]http.HandlerFunc{
		"before it began": func(http.ResponseWriter, *http.Request) { panic("a defect") },
		"in the middle": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, "half")
			panic("a defect")
		},
	} {
		answer, err := serveEvent(t.Context(), h, get(functionURL, "/"))
		if err != nil {
			t.Fatal(err)
		}
		r := answer.(*events.LambdaFunctionURLStreamingResponse)
		if _, err := io.ReadAll(r.Body); r.StatusCode != http.StatusInternalServerError || err == nil || !strings.Contains(err.Error(), "a defect") {
			t.Errorf("%s: %d, %v", name, r.StatusCode, err)
		}
	}
}

func TestOnlyIAMsOwnWordIsASignature(t *testing.T) {
	t.Parallel()
	alice := events.APIGatewayV2HTTPRequestContextAuthorizerIAMDescription{UserARN: "arn:aws:iam::123456789012:user/alice"}
	for name, tc := range map[string]struct {
		authorizer *events.APIGatewayV2HTTPRequestContextAuthorizerDescription
		want       bool
	}{
		"none":         {nil, false},
		"empty":        {&events.APIGatewayV2HTTPRequestContextAuthorizerDescription{}, false},
		"IAM, nobody":  {&events.APIGatewayV2HTTPRequestContextAuthorizerDescription{IAM: &events.APIGatewayV2HTTPRequestContextAuthorizerIAMDescription{}}, false},
		"IAM":          {&events.APIGatewayV2HTTPRequestContextAuthorizerDescription{IAM: &alice}, true},
		"a Lambda's":   {&events.APIGatewayV2HTTPRequestContextAuthorizerDescription{Lambda: map[string]any{"userArn": alice.UserARN}}, false},
		"a JWT's user": {&events.APIGatewayV2HTTPRequestContextAuthorizerDescription{JWT: &events.APIGatewayV2HTTPRequestContextAuthorizerJWTDescription{Claims: map[string]string{"userArn": alice.UserARN}}}, false},
	} {
		e := get(httpAPI, "/")
		e.RequestContext.Authorizer = tc.authorizer
		e.Headers = map[string]string{"x-amzn-iam": alice.UserARN, "userarn": alice.UserARN} // anybody can send those
		bufferedAnswer(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if got := Signed(r.Context()); got != tc.want {
				t.Errorf("%s: %v, want %v", name, got, tc.want)
			}
		}), e)
	}
	if Signed(t.Context()) {
		t.Error("where there is no event, IAM has signed")
	}
}

// The events that `sam local invoke` is given.
func TestSampleEventsAreOfBothKinds(t *testing.T) {
	t.Parallel()
	for file, streams := range map[string]bool{"function-url-dashboard.json": true, "http-api-view.json": false} {
		data, err := os.ReadFile(filepath.Join(servertest.Root(), "functions", "aggregator", "events", file))
		if err != nil {
			t.Fatal(err)
		}
		e := &events.APIGatewayV2HTTPRequest{}
		d := json.NewDecoder(bytes.NewReader(data))
		d.DisallowUnknownFields()
		if err := d.Decode(e); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s %s %v %s", r.URL.RequestURI(), r.Header.Get("Cookie"), Signed(r.Context()), r.Header.Get("Accept-Encoding"))
		})
		if streams {
			if _, body := streamedAnswer(t, h, e); body != "/  true gzip, br" {
				t.Errorf("%s is %q", file, body)
			}
		} else if b := bufferedAnswer(t, h, e); b.Body != "/api/v1/view?app=shop theme=dark; lang=en false gzip" {
			t.Errorf("%s is %q", file, b.Body)
		}
	}
}
