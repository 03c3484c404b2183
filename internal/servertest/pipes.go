package servertest

import (
	"net"
	"sync"
)

// Pipes is a listener with connections in memory, so that synctest's clock applies to them.
type Pipes struct {
	conns chan net.Conn
	done  chan struct{}
	close func()
}

// NewPipes makes a listener.
func NewPipes() *Pipes {
	done := make(chan struct{})
	return &Pipes{make(chan net.Conn), done, sync.OnceFunc(func() { close(done) })}
}

// Dial connects. It waits until the listener's owner calls Accept.
func (p *Pipes) Dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

// Accept implements [net.Listener].
func (p *Pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (p *Pipes) Close() error { p.close(); return nil }

// Addr implements [net.Listener].
func (p *Pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
