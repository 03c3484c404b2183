package chaos

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Fault is what a [Proxy] does to what comes through it. The zero value does nothing.
type Fault struct {
	// Latency is how much later each reply comes.
	Latency time.Duration
	// Rate is how many bytes of replies come through a connection in a second; 0 is all there are.
	Rate int
	// CutOver cuts a reply of more than so many bytes in half, and closes its connection; 0 cuts none.
	CutOver int
	// Garbage takes the replies' place, one after another and from the first again.
	Garbage []string
	// HalfOpen is that the other end is gone and nobody was told: connections are made and stay, and nothing
	// ever comes of what is sent. Those that this has befallen stay so when the fault is over.
	HalfOpen bool
}

// Proxy is between clients and a server, and does to their connections what its fault says. It takes what one Read
// returns for one reply: so it is with a client that waits for each.
type Proxy struct {
	Addr string // where it listens

	target   string
	listener net.Listener
	tasks    sync.WaitGroup

	mu      sync.Mutex
	fault   Fault
	changed chan struct{} // closed when fault is replaced
	garbled int           // how many replies were replaced by garbage
	closed  bool
	conns   map[net.Conn]bool
}

// NewProxy starts a proxy on a free port of loopback, before the server at target.
func NewProxy(ctx context.Context, target string) (*Proxy, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen before %s: %w", target, err)
	}
	p := &Proxy{Addr: l.Addr().String(), target: target, listener: l, changed: make(chan struct{}), conns: map[net.Conn]bool{}}
	p.tasks.Go(func() { p.accept(context.WithoutCancel(ctx)) })
	return p, nil
}

// Set replaces the fault, at once and for the connections that there are.
func (p *Proxy) Set(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
	close(p.changed)
	p.changed = make(chan struct{})
}

// Close closes every connection, and returns when none is left.
func (p *Proxy) Close() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.closed = true
	for c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.Set(Fault{}) // wakes who waits for a fault's sake
	p.tasks.Wait()
}

func (p *Proxy) now() (Fault, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fault, p.changed
}

func (p *Proxy) accept(ctx context.Context) {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // it is closed
		}
		if p.keep(client) {
			p.tasks.Go(func() { p.serve(ctx, client) })
		}
	}
}

// keep notes a connection, to close it at the end.
func (p *Proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = c.Close()
		return false
	}
	p.conns[c] = true
	return true
}

func (p *Proxy) drop(c net.Conn) {
	_ = c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

func (p *Proxy) serve(ctx context.Context, client net.Conn) {
	defer p.drop(client)
	if f, _ := p.now(); f.HalfOpen {
		_, _ = io.Copy(io.Discard, client)
		return
	}
	var d net.Dialer
	server, err := d.DialContext(ctx, "tcp", p.target)
	if err != nil || !p.keep(server) {
		return
	}
	defer p.drop(server)
	var requests sync.WaitGroup
	requests.Go(func() {
		p.requests(client, server)
		_ = server.Close()
	})
	if ended := p.replies(server, client); ended {
		_ = client.Close()
	}
	requests.Wait()
}

// requests passes on what the client sends. A connection that is half-open goes on, for nothing.
func (p *Proxy) requests(client, server net.Conn) {
	buffer := make([]byte, 32<<10)
	for isDeaf := false; ; {
		n, err := client.Read(buffer)
		f, _ := p.now()
		isDeaf = isDeaf || f.HalfOpen
		if !isDeaf {
			if _, err := server.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// replies passes on what the server answers, and reports whether the client is to see the end of it.
func (p *Proxy) replies(server, client net.Conn) bool {
	buffer := make([]byte, 32<<10)
	for {
		n, err := server.Read(buffer)
		f, changed := p.now()
		if f.HalfOpen {
			_, _ = io.Copy(io.Discard, server)
			return false
		}
		if n > 0 && !p.pass(client, buffer[:n], f, changed) || err != nil {
			return true
		}
	}
}

// pass passes on one reply as f has it, and reports whether the connection goes on.
func (p *Proxy) pass(client net.Conn, reply []byte, f Fault, changed <-chan struct{}) bool {
	wait(f.Latency, changed)
	switch {
	case f.CutOver > 0 && len(reply) > f.CutOver:
		_, _ = client.Write(reply[:len(reply)/2])
		return false
	case len(f.Garbage) > 0:
		p.mu.Lock()
		reply = []byte(f.Garbage[p.garbled%len(f.Garbage)])
		p.garbled++
		p.mu.Unlock()
	case f.Rate > 0:
		const perSecond = 10 // portions
		for portion := max(f.Rate/perSecond, 1); len(reply) > portion; reply = reply[portion:] {
			if _, err := client.Write(reply[:portion]); err != nil {
				return false
			}
			wait(time.Second*time.Duration(portion)/time.Duration(f.Rate), changed)
		}
	}
	_, err := client.Write(reply)
	return err == nil
}

// wait waits so long, or until the fault is over.
func wait(d time.Duration, over <-chan struct{}) {
	if d == 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-over:
	}
}
