package protocol

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestName(t *testing.T) {
	for s, want := range map[string]bool{
		"a": true, "7": true, "Shop.eu-1_a@b": true, strings.Repeat("a", 128): true,
		"": false, strings.Repeat("a", 129): false, ".a": false, "-a": false, "_a": false, "@a": false,
		"a b": false, "a:b": false, "a/b": false, "a\n": false, "\na": false, "ü": false, "a\x00": false, "\xff": false, "a*": false,
	} {
		if got := ValidName(s); got != want {
			t.Errorf("ValidName(%q) is %v", s, got)
		}
		if err := CheckName("app", s); (err == nil) != want {
			t.Errorf("CheckName of %q says %v", s, err)
		} else if err != nil && !strings.HasPrefix(err.Error(), "app is \"") {
			t.Errorf("CheckName of %q says %v: it must name the app and show it", s, err)
		}
	}
}

func TestNameIsWhatTheContractsPatternMatches(t *testing.T) {
	pattern := regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,127}$`)
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(
			rapid.StringMatching(`[A-Za-z0-9._@-]{0,130}`), rapid.StringMatching(`[A-Za-z0-9][ -~]{0,3}`), rapid.String(),
			rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 4), func(b []byte) string { return string(b) }),
		).Draw(t, "s")
		if got, want := ValidName(s), pattern.MatchString(s); got != want {
			t.Fatalf("ValidName(%q) is %v, the pattern says %v", s, got, want)
		}
	})
}

func TestWrongNameIsShownCut(t *testing.T) {
	err := CheckName("app", strings.Repeat("\n", 1<<20))
	if err == nil || len(err.Error()) > 500 || !strings.Contains(err.Error(), "(1048576 bytes)") || strings.Contains(err.Error(), "\n") {
		t.Errorf("the error is %.600v", err)
	}
}

func TestNameFromFreeText(t *testing.T) {
	for text, want := range map[string]string{
		"web-1": "web-1", "my app": "my-app", "  padded": "padded", "a:b/c": "a-b-c", "üb": "x-b", "_a": "x_a",
		"-": "x-", "\x00": "x-", "\xff\xfe": "x--", "日本": "x--", "": "", "   ": "", strings.Repeat("a", 200): strings.Repeat("a", 128),
		strings.Repeat("-", 200): "x" + strings.Repeat("-", 127),
	} {
		if got := NameFrom(text); got != want {
			t.Errorf("NameFrom(%q) is %q, want %q", text, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		got := NameFrom(text)
		if blank := strings.Trim(text, " ") == ""; blank != (got == "") || !blank && !ValidName(got) {
			t.Fatalf("NameFrom(%q) is %q", text, got)
		}
		if again := NameFrom(got); again != got {
			t.Fatalf("NameFrom(%q) is %q: a name stays itself", got, again)
		}
	})
}

func TestKindOfKey(t *testing.T) {
	for key, want := range map[string]Kind{
		"pulse:queues:shop": KindQueues, "pulse:queues:": KindQueues, "pulse:server:shop:web-1": KindServer, "gravito:quasar:node:a:b": KindQuasar,
		"": KindOther, "pulse:queues": KindOther, "Pulse:queues:shop": KindOther, "xpulse:queues:shop": KindOther, IndexKey: KindOther,
		SlowKey("shop"): KindOther, "pulse:history:shop": KindOther, "gravito:quasar:nodes": KindOther, "bull:queues:meta": KindOther,
	} {
		if got := KindOf(key); got != want {
			t.Errorf("KindOf(%q) is %d, want %d", key, got, want)
		}
	}
}

// TestAnyKeyThatIsMadeIsReadBack is also why a name may hold no colon.
func TestAnyKeyThatIsMadeIsReadBack(t *testing.T) {
	name := rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._@-]{0,127}`)
	rapid.Check(t, func(t *rapid.T) {
		app, rest := name.Draw(t, "app"), name.Draw(t, "rest")
		for key, want := range map[string]Address{
			QueuesKey(app, ""):               {KindQueues, app, ""},
			QueuesKey(app, rest):             {KindQueues, app, rest},
			ServerKey(app, rest):             {KindServer, app, rest},
			quasarPrefix + app + ":" + rest:  {KindQuasar, app, rest},
			(&QueueSnapshot{App: app}).Key(): {KindQueues, app, ""},
		} {
			if got, ok := ParseKey(key); !ok || got != want {
				t.Fatalf("%s is read as %+v, %v", key, got, ok)
			}
		}
	})
}

func TestWhatIsNoKey(t *testing.T) {
	for _, key := range []string{
		"pulse:queues:a:", "pulse:queues::a", "pulse:queues:a:b c", "pulse:server:", "pulse:server::", "pulse:server:a:", "pulse:server:a:b:c",
		"pulse:queues:" + strings.Repeat("a", 129), "pulse:server:a:\xff", "gravito:quasar:node:", "gravito:quasar:node:a", "gravito:quasar:node:a:", "gravito:quasar:node: :b",
		"pulse:queues:a\n", "pulse:queues:a*",
	} {
		if got, ok := ParseKey(key); ok {
			t.Errorf("%q is read as %+v", key, got)
		}
	}
}
