//go:build race

package wasmhost_test

import (
	"os/exec"
	"testing"
)

// TestTheFirstModulesOfAProcessAreLoadedAtOnce runs a program of its own, because the engine finds its version, which it keeps, only
// in a program and not in a test.
func TestTheFirstModulesOfAProcessAreLoadedAtOnce(t *testing.T) {
	t.Parallel()
	if out, err := exec.CommandContext(t.Context(), "go", "run", "-race", "./testdata/firstloads", t.TempDir()).CombinedOutput(); err != nil { //nolint:gosec // a directory
		t.Errorf("%v: %s", err, out)
	}
}
