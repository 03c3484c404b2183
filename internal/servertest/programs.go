package servertest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Chromium is the path of a browser.
func Chromium(t testing.TB) string {
	t.Helper()
	return need(t, "chromium", "apt-get install chromium")
}

// Node is a command that runs a script with the packages of its folder's package.json, or of the tree's.
func Node(t testing.TB, script string, args ...string) *exec.Cmd {
	t.Helper()
	node := need(t, "node", "apt-get install nodejs npm")
	dir := filepath.Dir(script)
	packages := dir
	if _, err := os.Stat(filepath.Join(dir, "package.json")); err != nil {
		packages = Root()
	}
	if _, err := os.Stat(filepath.Join(packages, "node_modules")); err != nil {
		Missing(t, "the node packages of %s are not installed: npm install --ignore-scripts --prefix %s", packages, packages)
	}
	cmd := exec.Command(node, append([]string{filepath.Base(script)}, args...)...)
	cmd.Dir = dir
	return cmd
}

// Python is the path of the Python that has these packages, of those in requirements.txt.
func Python(t testing.TB, packages ...string) string {
	t.Helper()
	const install = "pip install -r internal/servertest/requirements.txt"
	path := need(t, "python3", install)
	// Not by importing them: Python would also import a folder of that name where the test runs.
	check := "import sys, importlib.metadata\nfor name in sys.argv[1:]: importlib.metadata.version(name)"
	if said, err := exec.Command(path, append([]string{"-c", check}, packages...)...).CombinedOutput(); err != nil {
		Missing(t, "%s lacks %s: %s\n%s", path, strings.Join(packages, " or "), install, said)
	}
	return path
}

// CodeOf returns the blocks of code in a language on a page of docs/, so that a test runs what the page says.
func CodeOf(t testing.TB, page, language string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(Root(), "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for rest := string(text); ; {
		_, code, found := strings.Cut(rest, "\n```"+language+"\n")
		if !found {
			return blocks
		}
		code, rest, _ = strings.Cut(code, "\n```\n")
		blocks = append(blocks, code+"\n")
	}
}

// Promtool is a command of Prometheus' own tool.
func Promtool(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	return exec.Command(need(t, "promtool", "apt-get install prometheus"), args...)
}
