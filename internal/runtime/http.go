package runtime

import (
	"context"
	"errors"
	"fmt"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

// shutdownTimeout is how long requests may take to end after a signal.
const shutdownTimeout = 5 * time.Second

// sendBuffer is what the kernel keeps of an answer that its client has not taken, in bytes a connection;
// Linux doubles it. By itself it takes up to 4 MB, which a container's memory limit counts. It also
// hides for minutes that a slow client reads on.
const sendBuffer = 128 << 10

func withSendBuffer(ctx context.Context, conn net.Conn) context.Context {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(sendBuffer) // one that is gone says so when it is written to
	}
	return ctx
}

// HTTP serves handler until ctx ends. In Lambda it serves the requests of a Function URL or an HTTP API,
// elsewhere the requests to the address listen. The contexts of the requests end with ctx.
func HTTP(ctx context.Context, handler http.Handler, listen string, log *slog.Logger) error {
	if InLambda() {
		lambda.StartWithOptions(func(ctx context.Context, event *events.APIGatewayV2HTTPRequest) (any, error) {
			return serveEvent(ctx, handler, event)
		}, lambda.WithContext(ctx))
		return nil
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w; set PULSE_LISTEN to a free address", listen, err)
	}
	log.Info("the dashboard is at http://"+listener.Addr().String()+"/", "address", listener.Addr().String())
	return Serve(ctx, handler, listener, log)
}

// Serve serves handler on listener until ctx ends. It logs what goes wrong with connections.
func Serve(ctx context.Context, handler http.Handler, listener net.Listener, log *slog.Logger) error {
	requests, end := context.WithCancel(ctx)
	defer end()
	server := &http.Server{
		Handler:           handler,
		BaseContext:       func(net.Listener) context.Context { return requests },
		ConnContext:       withSendBuffer,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second, // a stream moves it on with each event
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          stdlog.New(&connectionLog{log: log, now: time.Now, saidAt: map[string]time.Time{}}, "", 0),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	end()
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	err := server.Shutdown(stopCtx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close() // this cuts off the clients that are still connected
	}
	if end := <-failed; err == nil && !errors.Is(end, http.ErrServerClosed) {
		err = end
	}
	return err
}
