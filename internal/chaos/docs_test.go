//go:build linux

package chaos

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/internal/servertest"
)

// TestThePageHasEachFaultAndNoOther holds the table of docs/reliability.md to the suite's, and its marks to what runs
// in every `go test`.
func TestThePageHasEachFaultAndNoOther(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(servertest.Root(), "docs", "reliability.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "\n| fault | ")
	table, _, _ = strings.Cut(table, "\n\n")
	var documented []string
	for line := range strings.Lines(table) {
		if name, is := strings.CutPrefix(line, "| "); is {
			name, _, _ = strings.Cut(name, " |")
			documented = append(documented, name)
		}
	}
	var run []string
	for _, f := range faults {
		if f.short {
			f.name += " ●"
		}
		run = append(run, f.name)
	}
	if diff := cmp.Diff(run, documented); diff != "" {
		t.Errorf("-what the suite runs +what the page says:\n%s", diff)
	}
}

// TestThePageHasEachCommandThatIsMissed holds its second table to the steps of NOPERM.
func TestThePageHasEachCommandThatIsMissed(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(servertest.Root(), "docs", "reliability.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "\n| who | ")
	table, _, _ = strings.Cut(table, "\n\n")
	documented, who := map[string]bool{}, ""
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		if name := strings.Fields(cells[1]); len(name) > 0 {
			who = name[len(name)-1]
		}
		if strings.HasPrefix(strings.TrimSpace(cells[3]), "nothing") {
			continue
		}
		for i, command := range strings.Split(cells[2], "`") {
			if isQuoted := i%2 == 1; isQuoted {
				documented[who+" "+command] = true
			}
		}
	}
	run := map[string]bool{}
	for step := range missed {
		run[step] = true
	}
	if diff := cmp.Diff(run, documented); diff != "" {
		t.Errorf("-what the suite runs +what the page says:\n%s", diff)
	}
}
