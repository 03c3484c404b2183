// Package samtest checks what template.yaml becomes.
//
// SAM turns the template into roles, permissions and functions that nobody wrote down, and some of
// its turns are traps. Neither AWS nor the sam command is needed to see them: the tests run SAM's
// own translator and cfn-lint, compare the outcome with testdata/golden.json (rewrite it with
// go test ./internal/samtest -update, and read the diff), and build every function exactly as
// `sam build` does. What was never tried here is the deployment itself.
//
// They need python3 with samtranslator, cfn-lint and make; internal/servertest/requirements.txt
// pins the first two. Where one is missing a test is skipped, except in CI (CI=true).
package samtest
