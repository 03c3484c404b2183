// Package samtest checks what template.yaml becomes.
//
// SAM adds roles, permissions and functions that the template doesn't name, and some of them are traps. The
// tests show them without AWS or the sam command: they run SAM's own translator and cfn-lint, compare the
// outcome with testdata/golden.json (rewrite it with go test ./internal/samtest -update, and read the diff),
// and build every function with the commands of `sam build`. They deploy nothing.
//
// They need python3 with samtranslator, cfn-lint and make; internal/servertest/requirements.txt
// pins the first two. Where one is missing a test is skipped, except in CI (CI=true).
package samtest
