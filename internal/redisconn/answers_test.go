package redisconn

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gravito-framework/pulse/internal/servertest"
)

// TestWhichAnswersProveThatRedisServes says which answers prove that Redis serves.
func TestWhichAnswersProveThatRedisServes(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	dir := filepath.Join(t.TempDir(), "gone")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	server := servertest.Redis(t, "--dir", dir)
	do := func(words ...any) {
		t.Helper()
		if err := server.Client.Do(ctx, words...).Err(); err != nil {
			t.Fatalf("%v: %v", words, err)
		}
	}
	do("ACL", "SETUSER", "ada", "on", ">sesame", "~*", "+@all", "-ping")
	do("ACL", "SETUSER", "bob", "on", ">sesame", "~*", "+@all")
	expect := func(user, answer string, serves bool) {
		t.Helper()
		err := clientOf(t, "redis://"+user+"@"+server.Addr).Ping(t.Context()).Err()
		if Serves(err) != serves || !strings.HasPrefix(fmt.Sprint(err), answer) {
			t.Errorf("%s: %v: it serves: %v", user, err, Serves(err))
		}
	}
	expect("bob:sesame", "<nil>", true)
	expect("ada:sesame", "NOPERM", true)
	expect("bob:wrong", "WRONGPASS", false)
	if err := server.Client.Do(ctx, "SENTINEL").Err(); Serves(err) {
		t.Errorf("it proves nothing: %v", err)
	}
	for _, said := range []string{"ERR unknown command 'PING', with args beginning with: ", "ERR unknown command `ping`, with args beginning with: "} { // Redis 7, 5
		if !Serves(errors.New(said)) {
			t.Errorf("PING has another name there: %s", said)
		}
	}
	do("CONFIG", "SET", "save", "1 1")
	do("SET", "x", "y")
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	_ = server.Client.BgSave(ctx)
	servertest.Eventually(t, "that saving fails", func() bool {
		return strings.Contains(server.Client.Info(ctx, "persistence").Val(), "rdb_last_bgsave_status:err")
	})
	expect("bob:sesame", "MISCONF", true)
	do("CONFIG", "SET", "save", "")
	do("CONFIG", "SET", "replica-serve-stale-data", "no")
	do("REPLICAOF", "127.0.0.1", "1")
	expect("bob:sesame", "MASTERDOWN", false)
	do("REPLICAOF", "NO", "ONE")
	server.Stop()
	expect("bob:sesame", "dial tcp", false)
}
