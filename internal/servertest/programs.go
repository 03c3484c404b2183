package servertest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Chromium is the path of a browser.
func Chromium(t testing.TB) string {
	t.Helper()
	return need(t, "chromium", "apt-get install chromium")
}

// Node is a command that runs a script with the packages of its folder's package.json.
func Node(t testing.TB, script string, args ...string) *exec.Cmd {
	t.Helper()
	node := need(t, "node", "apt-get install nodejs npm")
	dir := filepath.Dir(script)
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		Missing(t, "the node packages of %s are not installed: npm ci --prefix %s", dir, dir)
	}
	cmd := exec.Command(node, append([]string{filepath.Base(script)}, args...)...)
	cmd.Dir = dir
	return cmd
}
