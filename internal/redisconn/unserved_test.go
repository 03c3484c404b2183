package redisconn

import (
	"bufio"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/servertest"
)

// expectUnserved asserts that the server at url does not serve, and that all kinds of commands say so and what to do.
func expectUnserved(t *testing.T, url, want string) {
	t.Helper()
	client := clientOf(t, url)
	_, piped := client.Pipelined(t.Context(), func(pipe redis.Pipeliner) error { return pipe.LLen(t.Context(), "a").Err() })
	for what, err := range map[string]error{"a command": client.Get(t.Context(), "a").Err(), "a pipeline": piped} {
		unserved, is := errors.AsType[*UnservedError](err)
		if !is || unserved.Error() != want || !strings.Contains(Unreachable(err), want) {
			t.Errorf("%s at %s: %v\nwant %s", what, url, err, want)
		}
		if IsRefusal(err) || Serves(err) || errors.Is(err, redis.Nil) {
			t.Errorf("%s at %s is taken for an answer: %v", what, url, err)
		}
	}
}

func TestARedisWithTooManyClientsSaysSo(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t, "--maxclients", "3")
	server.Client.ConfigSet(t.Context(), "requirepass", "sesame")
	servertest.Eventually(t, "no place for one more", func() bool {
		conn, err := net.Dial("tcp", server.Addr)
		if err != nil {
			return false
		}
		t.Cleanup(func() { _ = conn.Close() })
		answer, _ := ask(conn, bufio.NewReader(conn), "PING")
		return strings.HasPrefix(answer, "-ERR max")
	})
	const why = ": ERR max number of clients reached; close connections that nobody uses (CLIENT LIST shows them), or raise its maxclients"
	expectUnserved(t, server.URL, server.Addr+why)
	expectUnserved(t, strings.Replace(server.URL, "//", "//:sesame@", 1), server.Addr+why)
}

func TestSentinelsThatDoNotKnowTheMasterSaySo(t *testing.T) {
	t.Parallel()
	addr := servertest.Sentinel(t, "queues", servertest.Redis(t)).Addr
	const why = `: they know no master called "jobs"; write one of the names that SENTINEL MASTERS lists behind the / of the URL`
	expectUnserved(t, "redis+sentinel://"+addr+"/jobs", "the sentinels "+addr+why)
	both := addr + ",127.0.0.1:1"
	expectUnserved(t, "redis+sentinel://"+both+"/jobs", "those of the sentinels "+both+" that answer"+why)
}

func TestAServerThatSpeaksNoTLSIsSaidTo(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	server.Client.ConfigSet(t.Context(), "requirepass", "sesame")
	sentinel := servertest.Sentinel(t, "queues", server)
	const why = ": it speaks no TLS; write redis in the URL's scheme instead of rediss"
	expectUnserved(t, "rediss://:sesame@"+server.Addr, server.Addr+why)
	expectUnserved(t, "rediss+sentinel://:sesame@"+sentinel.Addr+"/queues", sentinel.Addr+why)
}

func TestAServerThatSpeaksTLSOnlyIsSaidTo(t *testing.T) {
	t.Parallel()
	web := httptest.NewTLSServer(http.NotFoundHandler())
	web.Close() // it is for its certificate
	key, err := x509.MarshalPKCS8PrivateKey(web.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: web.Certificate().Raw}, keyFile: {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, auth := range []string{"no", "yes"} { // whether it wants a certificate of ours
		port := strconv.Itoa(servertest.FreePort(t))
		servertest.Redis(t, "--tls-port", port, "--tls-cert-file", certFile, "--tls-key-file", keyFile, "--tls-ca-cert-file", certFile, "--tls-auth-clients", auth)
		expectUnserved(t, "redis://127.0.0.1:"+port, "127.0.0.1:"+port+": it speaks TLS only; write rediss in the URL's scheme instead of redis")
	}
}
