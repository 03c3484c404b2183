package api

import (
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	// writeTimeout is how long a client may take nothing.
	writeTimeout = 10 * time.Second
	// chunkSize is how much is written at once: a client that takes this much in writeTimeout is served on.
	chunkSize = 16 << 10
)

// message is bytes that are written to any number of clients, each of them straight from here.
type message struct {
	parts [][]byte
	size  int
	// zipped is the same as blocks of deflate, made when the first client wants it.
	zipped func() *message

	clients map[*client]struct{} // it is being written to these; guarded by sending.mu
	counted bool                 // in sending.messages; guarded by sending.mu
}

func newMessage(parts ...[]byte) *message {
	m := &message{parts: parts}
	for _, part := range parts {
		m.size += len(part)
	}
	m.zipped = sync.OnceValue(func() *message { return newMessage(deflate(parts...)) })
	return m
}

// sending is the messages that are being written now. A view that has been replaced stays in memory
// as long as a slow client reads it, so this bounds how many of them there are: those that are beyond the
// budget are read too slowly. A message counts once, however many clients it is written to.
type sending struct {
	budget int // in bytes

	mu       sync.Mutex
	bytes    int
	messages []*message // those begun longest ago first
}

// write writes m to c. It ends with an error where c takes nothing for writeTimeout, and where newer
// messages need the room.
func (s *sending) write(c *client, m *message) error {
	s.begin(c, m)
	defer s.end(c, m)
	return c.send(m)
}

func (s *sending) begin(c *client, m *message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !m.counted {
		for len(s.messages) > 0 && s.bytes+m.size > s.budget {
			oldest := s.messages[0]
			for slow := range oldest.clients {
				slow.cutOff()
			}
			s.remove(oldest)
		}
		m.counted = true
		s.messages = append(s.messages, m)
		s.bytes += m.size
	}
	if m.clients == nil {
		m.clients = map[*client]struct{}{}
	}
	m.clients[c] = struct{}{}
}

func (s *sending) end(c *client, m *message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(m.clients, c)
	if m.counted && len(m.clients) == 0 {
		s.remove(m)
	}
}

func (s *sending) remove(m *message) {
	m.counted = false
	s.bytes -= m.size
	s.messages = slices.DeleteFunc(s.messages, func(other *message) bool { return other == m })
}

// client is where one answer is written to.
type client struct {
	response http.ResponseWriter
	control  *http.ResponseController

	mu    sync.Mutex
	isCut bool
}

func newClient(w http.ResponseWriter) *client {
	return &client{response: w, control: http.NewResponseController(w)}
}

var errTooSlow = errors.New("the client reads too slowly")

// send writes m. One that is written to several clients goes by [sending.write], which counts it.
func (c *client) send(m *message) error {
	for _, part := range m.parts {
		for chunk := range slices.Chunk(part, chunkSize) {
			if err := c.write(chunk); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *client) write(data []byte) error {
	if err := c.renewDeadline(); err != nil {
		return err
	}
	_, err := c.response.Write(data)
	return err
}

func (c *client) flush() error {
	if err := c.renewDeadline(); err != nil {
		return err
	}
	return c.control.Flush()
}

func (c *client) renewDeadline() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isCut {
		return errTooSlow
	}
	_ = c.control.SetWriteDeadline(time.Now().Add(writeTimeout)) // in Lambda there is none, and one client
	return nil
}

// cutOff ends what is being written to c.
func (c *client) cutOff() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.isCut = true
	_ = c.control.SetWriteDeadline(time.Now())
}
