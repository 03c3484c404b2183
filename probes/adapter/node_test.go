package adapter_test

import (
	"bytes"
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
	_, sizedSource, _ := bytes.Cut(source, []byte("export const sized"))
	sizedSource, _, _ = bytes.Cut(sizedSource, []byte("])"))
	theirSized := map[string]bool{}
	for _, m := range regexp.MustCompile(`'([A-Z ]+)'`).FindAllSubmatch(sizedSource, -1) {
		theirSized[string(m[1])] = true
	}
	ours, ourSized := map[string]int{}, map[string]bool{}
	for _, c := range adapter.ReadCommands() {
		ours[c.Name] = c.Key
		if c.IsSized {
			ourSized[c.Name] = true
		}
	}
	if diff := cmp.Diff(ourSized, theirSized); diff != "" {
		t.Errorf("-here +in %s, those with a small answer:\n%s", path, diff)
	}
	if diff := cmp.Diff(ours, theirs); diff != "" {
		t.Errorf("-here +in %s, each with the word that is its key:\n%s", path, diff)
	}
}
