package dashboard

import (
	"io/fs"
	"path"
	"regexp"
	"strings"
	"testing"
)

// source is every embedded file of the page by name, those of assets/ below "assets/".
func source(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{"index.html": string(Index(false)), "index.html, signed in": string(Index(true)), "login.html": string(Login(false)), "login.html, failed": string(Login(true))}
	err := fs.WalkDir(Assets(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := fs.ReadFile(Assets(), name)
		files["assets/"+name] = string(body)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func isHTML(name string) bool { return strings.Contains(name, ".html") }

func TestEveryFileReferredToIsEmbedded(t *testing.T) {
	t.Parallel()
	fromHTML := regexp.MustCompile(`\b(?:src|href)="(assets/[^"]*)"`)
	fromJS := regexp.MustCompile(`(?m)^(?:import|export)\b.*\bfrom '\./([^']*)';`)
	anyImport := regexp.MustCompile(`(?m)^import\b`)
	files := source(t)
	used := map[string]bool{}
	for name, body := range files {
		var refs []string
		if isHTML(name) {
			for _, m := range fromHTML.FindAllStringSubmatch(body, -1) {
				refs = append(refs, m[1])
			}
			if len(refs) == 0 {
				t.Errorf("%s refers to no asset", name)
			}
		}
		if path.Ext(name) == ".js" {
			for _, m := range fromJS.FindAllStringSubmatch(body, -1) {
				refs = append(refs, "assets/"+m[1])
			}
			if n := len(anyImport.FindAllString(body, -1)); n != len(refs) {
				t.Errorf("%s has %d imports, %d of them from a file beside it", name, n, len(refs))
			}
		}
		for _, ref := range refs {
			used[ref] = true
			if _, ok := files[ref]; !ok {
				t.Errorf("%s refers to %s, which is not embedded", name, ref)
			}
		}
	}
	for name := range files {
		if strings.HasPrefix(name, "assets/") && !used[name] {
			t.Errorf("%s is embedded and nothing refers to it", name)
		}
	}
}

// The policy it is served under would block any of these, and the page with them.
func TestPagesHoldNothingInline(t *testing.T) {
	t.Parallel()
	rules := map[string]*regexp.Regexp{
		"an inline script":     regexp.MustCompile(`(?is)<script\b[^>]*>\s*[^<\s]`),
		"a script without src": regexp.MustCompile(`(?i)<script(?:\s+(?:type|defer|async)[^\s>]*)*\s*>`),
		"a style element":      regexp.MustCompile(`(?i)<style\b`),
		"a style attribute":    regexp.MustCompile(`(?i)<[^>]*\sstyle\s*=`),
		"an event handler":     regexp.MustCompile(`(?i)<[^>]*\son[a-z]+\s*=`),
		"a javascript: URL":    regexp.MustCompile(`(?i)javascript:`),
		"a base element":       regexp.MustCompile(`(?i)<base\b`),
	}
	for name, body := range source(t) {
		for what, rule := range rules {
			if found := rule.FindString(body); isHTML(name) && found != "" {
				t.Errorf("%s has %s: %q", name, what, found)
			}
		}
	}
}

// Behind a path prefix such as an API Gateway stage, "/assets/app.js" is someone else's.
func TestURLsAreRelative(t *testing.T) {
	t.Parallel()
	absolute := regexp.MustCompile(`(?i)\b(?:src|href|action)="(?:/|[a-z][a-z+.-]*:)[^"]*"|url\(\s*['"]?(?:/|[a-z]+:)|(?:fetch|EventSource)\(\s*['"](?:/|[a-z]+:)`)
	for name, body := range source(t) {
		if found := absolute.FindString(body); found != "" {
			t.Errorf("%s has %q", name, found)
		}
	}
}

func TestDataReachesThePageAsTextOnly(t *testing.T) {
	t.Parallel()
	unsafe := regexp.MustCompile(`\b(?:innerHTML|outerHTML|insertAdjacentHTML|setHTMLUnsafe|parseHTMLUnsafe|createContextualFragment|DOMParser|srcdoc|eval)\b|\bdocument\.write|\bnew Function\b|\bset(?:Timeout|Interval)\(\s*['"` + "`" + `]`)
	for name, body := range source(t) {
		if path.Ext(name) != ".js" {
			continue
		}
		if found := unsafe.FindString(body); found != "" {
			t.Errorf("%s uses %s", name, found)
		}
		if !strings.HasPrefix(body, "// @ts-check\n") {
			t.Errorf("%s is not type-checked: its first line is not // @ts-check", name)
		}
	}
}

// Elements the code or a test looks for by id; a typo there is found only in a browser, at run time.
func TestEveryIDTheCodeAsksForIsInThePage(t *testing.T) {
	t.Parallel()
	asked := regexp.MustCompile(`\b(?:byId|input|select)\('([^']+)'\)`)
	for name, body := range source(t) {
		for _, m := range asked.FindAllStringSubmatch(body, -1) {
			if n := strings.Count(string(Index(true)), ` id="`+m[1]+`"`); n != 1 {
				t.Errorf("%s asks for #%s: index.html has %d of it", name, m[1], n)
			}
		}
	}
	for _, id := range []string{"live-state", "problems"} {
		if !strings.Contains(string(Index(true)), ` id="`+id+`"`) {
			t.Errorf("index.html has no #%s", id)
		}
	}
	for _, total := range []string{"waiting", "active", "delayed", "failed", "queues", "servers"} {
		if !strings.Contains(string(Index(true)), `data-total="`+total+`"`) {
			t.Errorf("index.html has no total of %s", total)
		}
	}
}

func TestLoginSaysWhyItFailed(t *testing.T) {
	t.Parallel()
	const sentence = "That token is not the one this dashboard was started with."
	if !strings.Contains(string(Login(true)), sentence) {
		t.Error("Login(true) does not say that the token was wrong")
	}
	if strings.Contains(string(Login(false)), sentence) {
		t.Error("Login(false) says that a token was wrong")
	}
	for _, failed := range []bool{false, true} {
		page := string(Login(failed))
		if strings.Contains(page, failedMark) {
			t.Errorf("Login(%v) still holds the mark", failed)
		}
		for _, part := range []string{`method="post"`, `action="login"`, `name="token"`} {
			if !strings.Contains(page, part) {
				t.Errorf("Login(%v) has no %s", failed, part)
			}
		}
	}
}

func TestPagesAreTheCallersToChange(t *testing.T) {
	t.Parallel()
	Index(true)[0], Login(true)[0] = 'x', 'x'
	if Index(true)[0] != '<' || Login(true)[0] != '<' {
		t.Error("a caller's change reached the next caller")
	}
}
