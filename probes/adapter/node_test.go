package adapter_test

import (
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/probes/adapter"
)

// The host for Node has its own copy of the list: it depends on nothing.
func TestNodeSendsTheSameCommands(t *testing.T) {
	const path = "../node/adapter-host/src/read-commands.ts"
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	theirs := map[string]int{}
	for _, m := range regexp.MustCompile(`(?m)^  \['([A-Z ]+)', (\d)\],$`).FindAllSubmatch(source, -1) {
		if theirs[string(m[1])], err = strconv.Atoi(string(m[2])); err != nil {
			t.Fatal(err)
		}
	}
	ours := map[string]int{}
	for _, c := range adapter.ReadCommands() {
		ours[c.Name] = c.Key
	}
	if diff := cmp.Diff(ours, theirs); diff != "" {
		t.Errorf("-here +in %s, each with the word that is its key:\n%s", path, diff)
	}
}
