package adapter

import (
	"fmt"
	"strings"
	"testing"
)

func TestQuoteIsWhatFmtQuotesOfTheFirstCharacters(t *testing.T) {
	for _, s := range []string{"", "orders", "a\nb", `"`, "€uro", "\xff\xfe\xfd", "\u2028", strings.Repeat("€", 100)} {
		for _, most := range []int{0, 1, 3, 80} {
			if got, want := Quote(s, most), fmt.Sprintf("%.*q", most, s); got != want {
				t.Errorf("%d of %q: got %s, want %s", most, s, got, want)
			}
			if got, want := Cut(s, most), fmt.Sprintf("%.*s", most, s); got != want {
				t.Errorf("%d of %q: got %q, want %q", most, s, got, want)
			}
		}
	}
	if got, want := quoteAll([]string{"LLEN", `a"b`}), fmt.Sprintf("%q", []string{"LLEN", `a"b`}); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := quoteAll(nil); got != "[]" {
		t.Errorf("no texts are %s", got)
	}
}
