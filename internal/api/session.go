package api

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	sessionLife = 12 * time.Hour
	// maxLoggedOut bounds the sessions that are remembered as ended.
	maxLoggedOut = 10_000
)

// A session is a cookie's value: when it ends, a random part, and a seal that takes the token to make. The
// token itself stays out of the browser, and another server or function with the token knows the session too.

func (s *Server) newSession(ends time.Time) string {
	text := fmt.Sprintf("%d.%s", ends.Unix(), rand.Text())
	return text + "." + hex.EncodeToString(s.seal(text))
}

func (s *Server) seal(text string) []byte {
	mac := hmac.New(sha256.New, []byte(s.Token))
	mac.Write([]byte("pulse session until " + text))
	return mac.Sum(nil)
}

// session returns what a cookie's value says: its session, without the seal, and when that ends. It is
// false if the seal is wrong.
func (s *Server) session(value string) (id string, ends time.Time, ok bool) {
	dot := strings.LastIndexByte(value, '.')
	if dot < 0 {
		return "", time.Time{}, false
	}
	id, seal := value[:dot], value[dot+1:]
	given, err := hex.DecodeString(seal)
	if err != nil || !hmac.Equal(given, s.seal(id)) {
		return "", time.Time{}, false
	}
	seconds, _, _ := strings.Cut(id, ".")
	unix, err := strconv.ParseInt(seconds, 10, 64)
	return id, time.Unix(unix, 0), err == nil
}

func (s *Server) isSession(value string, now time.Time) bool {
	id, ends, ok := s.session(value)
	return ok && now.Before(ends) && !s.loggedOut.has(id)
}

// endSession makes a session worthless on this server, wherever its cookie was copied to.
func (s *Server) endSession(value string, now time.Time) {
	if id, ends, ok := s.session(value); ok && now.Before(ends) {
		s.loggedOut.add(id, ends, now)
	}
}

// loggedOut is the sessions that were ended before their time, with that time.
type loggedOut struct {
	mu   sync.Mutex
	ends map[string]time.Time
	more chan struct{} // closed when there is one more; nil if nobody waits for it
}

// next is closed when one more session is ended.
func (l *loggedOut) next() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.more == nil {
		l.more = make(chan struct{})
	}
	return l.more
}

func (l *loggedOut) has(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.ends[id]
	return ok
}

func (l *loggedOut) add(id string, ends, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ends == nil {
		l.ends = map[string]time.Time{}
	}
	l.ends[id] = ends
	if l.more != nil {
		close(l.more)
		l.more = nil
	}
	if len(l.ends) <= maxLoggedOut {
		return
	}
	// What has ended by itself is forgotten, else what will do so first. It takes the token to get here.
	first := id
	for other, end := range l.ends {
		if !now.Before(end) {
			delete(l.ends, other)
		} else if end.Before(l.ends[first]) {
			first = other
		}
	}
	if len(l.ends) > maxLoggedOut {
		delete(l.ends, first)
	}
}
