package runtime

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// serveEvent answers the request of a Function URL or of an HTTP API. Both have the same format, 2.0, but only
// a Function URL can take a streamed answer: an HTTP API makes an error 500 of it. Their domains differ.
// Format: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
func serveEvent(ctx context.Context, handler http.Handler, e *events.APIGatewayV2HTTPRequest) (any, error) {
	r, err := request(ctx, e)
	if err != nil {
		return nil, err
	}
	if strings.Contains(e.RequestContext.DomainName, ".lambda-url.") {
		return streamed(handler, r), nil
	}
	return buffered(handler, r), nil
}

// request is the HTTP request that an event describes.
func request(ctx context.Context, e *events.APIGatewayV2HTTPRequest) (*http.Request, error) {
	body := []byte(e.Body)
	if e.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(e.Body); err != nil {
			return nil, fmt.Errorf("the event's body is not the base64 it says it is: %w", err)
		}
	}
	path := e.RawPath
	// The name of a stage comes first in the path, unless it is the default one.
	if stage := e.RequestContext.Stage; stage != "" && stage != "$default" {
		if rest, ok := strings.CutPrefix(path, "/"+stage); ok && (rest == "" || rest[0] == '/') {
			path = rest
		}
	}
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	u := &url.URL{Path: path, RawQuery: e.RawQueryString}
	if unescaped, err := url.PathUnescape(path); err == nil {
		u.Path, u.RawPath = unescaped, path
	}
	r, err := http.NewRequestWithContext(context.WithValue(ctx, signerKey{}, signer(e)), e.RequestContext.HTTP.Method, "/", bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("the event is not an HTTP request in format 2.0: %w", err)
	}
	r.URL, r.RequestURI = u, u.RequestURI()
	for name, value := range e.Headers {
		r.Header.Set(name, value)
	}
	if len(e.Cookies) > 0 {
		r.Header.Set("Cookie", strings.Join(e.Cookies, "; "))
	}
	r.Host = e.RequestContext.DomainName
	r.RemoteAddr = net.JoinHostPort(e.RequestContext.HTTP.SourceIP, "0")
	return r, nil
}

type signerKey struct{}

func signer(e *events.APIGatewayV2HTTPRequest) string {
	if a := e.RequestContext.Authorizer; a != nil && a.IAM != nil {
		return a.IAM.UserARN
	}
	return ""
}

// Signed reports whether AWS IAM has authenticated the request of ctx.
func Signed(ctx context.Context) bool {
	arn, _ := ctx.Value(signerKey{}).(string)
	return arn != ""
}

// buffered returns the whole answer, once the handler has ended.
func buffered(handler http.Handler, r *http.Request) *events.APIGatewayV2HTTPResponse {
	w := &buffer{header: http.Header{}, noBody: r.Method == http.MethodHead}
	handler.ServeHTTP(w, r)
	w.WriteHeader(http.StatusOK)
	headers, cookies := split(w.sent)
	out := &events.APIGatewayV2HTTPResponse{StatusCode: w.status, Headers: headers, Cookies: cookies}
	if w.sent.Get("Content-Encoding") != "" {
		out.Body, out.IsBase64Encoded = base64.StdEncoding.EncodeToString(w.body.Bytes()), true
	} else {
		out.Body = w.body.String()
	}
	return out
}

// buffer is a ResponseWriter that keeps the answer in memory. It is no http.Flusher, so the handler knows that
// it cannot stream.
type buffer struct {
	header, sent http.Header
	status       int
	noBody       bool // the request is a HEAD: the body is dropped, so that a handler may write one
	body         bytes.Buffer
}

func (b *buffer) Header() http.Header { return b.header }

func (b *buffer) WriteHeader(status int) {
	if b.sent == nil {
		b.status, b.sent = status, b.header.Clone()
	}
}

func (b *buffer) Write(p []byte) (int, error) {
	b.WriteHeader(http.StatusOK)
	if b.noBody {
		return len(p), nil
	}
	return b.body.Write(p)
}

// streamed answers as the handler writes. It returns when the handler has decided on status and
// headers; the rest is read from the body.
func streamed(handler http.Handler, r *http.Request) *events.LambdaFunctionURLStreamingResponse {
	reader, writer := io.Pipe()
	w := &pipe{header: http.Header{}, writer: writer, begun: make(chan struct{}), noBody: r.Method == http.MethodHead}
	go func() {
		defer func() {
			// The handler recovers from its own panics; one of the recovery ends this answer only.
			if v := recover(); v != nil {
				w.WriteHeader(http.StatusInternalServerError)
				writer.CloseWithError(fmt.Errorf("the request failed: %v", v))
			}
		}()
		handler.ServeHTTP(w, r)
		w.WriteHeader(http.StatusOK)
		writer.Close()
	}()
	<-w.begun
	headers, cookies := split(w.sent)
	return &events.LambdaFunctionURLStreamingResponse{StatusCode: w.status, Headers: headers, Cookies: cookies, Body: reader}
}

// pipe is a ResponseWriter that hands the body on while the handler writes it.
type pipe struct {
	header, sent http.Header
	status       int
	writer       *io.PipeWriter
	begun        chan struct{} // closed when status and sent are set
	noBody       bool          // as in buffer
}

func (p *pipe) Header() http.Header { return p.header }

func (p *pipe) WriteHeader(status int) {
	if p.sent == nil {
		p.status, p.sent = status, p.header.Clone()
		close(p.begun)
	}
}

func (p *pipe) Write(data []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	if p.noBody {
		return len(data), nil
	}
	return p.writer.Write(data)
}

// Flush does nothing: each Write goes out at once. With this method pipe is an http.Flusher, so the handler
// knows that it can stream.
func (p *pipe) Flush() {}

// split returns the headers and, apart, the cookies. It joins the values of a header, because the event format
// has one value for each.
func split(h http.Header) (headers map[string]string, cookies []string) {
	headers = make(map[string]string, len(h))
	for name, values := range h {
		if name == "Set-Cookie" {
			cookies = values
			continue
		}
		headers[name] = strings.Join(values, ", ")
	}
	return headers, cookies
}
