package dashboard

import (
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// source is every embedded file of the page by name, those of assets/ below "assets/".
func source(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{"index.html": string(Index(false)), "index.html, signed in": string(Index(true)), "login.html": string(Login("")), "login.html, failed": string(Login(WrongToken))}
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
	files := source(t)
	used := map[string]bool{}
	for name, body := range files {
		if !isHTML(name) {
			continue
		}
		refs := fromHTML.FindAllStringSubmatch(body, -1)
		if len(refs) != 2 {
			t.Errorf("%s refers to %d assets: it is one script and one stylesheet", name, len(refs))
		}
		for _, m := range refs {
			used[m[1]] = true
			if _, ok := files[m[1]]; !ok {
				t.Errorf("%s refers to %s, which is not embedded", name, m[1])
			}
		}
	}
	hashed := regexp.MustCompile(`^assets/page-[0-9A-Z]{8}\.(js|css)$`)
	for name := range files {
		if !strings.HasPrefix(name, "assets/") {
			continue
		}
		if !used[name] {
			t.Errorf("%s is embedded and nothing refers to it", name)
		}
		if !hashed.MatchString(name) {
			t.Errorf("%s has no hash in its name, and is kept for ever", name)
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
	absolute := regexp.MustCompile(`(?i)\b(?:src|href|action)="(?:/|https?:|//)[^"]*"|url\(\s*['"]?(?:/|[a-z]+:)|(?:fetch|EventSource)\(\s*['"](?:/|[a-z]+:)`)
	for name, body := range source(t) {
		if found := absolute.FindString(body); found != "" {
			t.Errorf("%s has %q", name, found)
		}
	}
}

func TestDataReachesThePageAsTextOnly(t *testing.T) {
	t.Parallel()
	unsafe := regexp.MustCompile(`\b(?:innerHTML|outerHTML|insertAdjacentHTML|dangerouslySetInnerHTML|setHTMLUnsafe|parseHTMLUnsafe|createContextualFragment|DOMParser|srcdoc|srcDoc|eval)\b|\bdocument\.write|\bnew Function\b|\bset(?:Timeout|Interval)\(\s*['"` + "`" + `]`)
	files := 0
	err := fs.WalkDir(os.DirFS("page/src"), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasPrefix(path.Ext(name), ".ts") {
			return err
		}
		files++
		body, err := os.ReadFile(filepath.Join("page/src", name))
		if found := unsafe.Find(body); found != nil {
			t.Errorf("%s uses %s", name, found)
		}
		return err
	})
	if err != nil || files < 10 {
		t.Fatalf("%d files, %v", files, err)
	}
}

// A language lacks nothing that another has, and asks for the same values.
func TestEveryLanguageSaysEverything(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("page/src/messages/*.json")
	if err != nil || len(names) < 2 {
		t.Fatalf("%v, %v", names, err)
	}
	code, err := os.ReadFile("page/src/messages.ts")
	if err != nil {
		t.Fatal(err)
	}
	placeholder := regexp.MustCompile(`\{\w+\}`)
	read := func(name string) map[string]any {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var messages map[string]any
		if err := json.Unmarshal(body, &messages); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return messages
	}
	// asksFor is the values that a message, or each of its plural forms, has places for.
	asksFor := func(message any) []string {
		text, isText := message.(string)
		if forms, ok := message.(map[string]any); ok {
			text, isText = forms["other"].(string)
		}
		if !isText || text == "" {
			return []string{"nothing: it is empty, or has no form named other"}
		}
		found := placeholder.FindAllString(text, -1)
		slices.Sort(found)
		return slices.Compact(found)
	}
	english := read("page/src/messages/en.json")
	for _, name := range names {
		if !strings.Contains(string(code), "'./messages/"+filepath.Base(name)+"'") {
			t.Errorf("messages.ts does not import %s", name)
		}
		messages := read(name)
		for key, message := range english {
			other, ok := messages[key]
			if !ok {
				t.Errorf("%s has no %s", name, key)
			} else if !slices.Equal(asksFor(message), asksFor(other)) {
				t.Errorf("%s: %s asks for %v, in English for %v", name, key, asksFor(other), asksFor(message))
			}
		}
		for key := range messages {
			if _, ok := english[key]; !ok {
				t.Errorf("%s has %s, which English has not", name, key)
			}
		}
	}
}

func TestLoginSaysWhyItFailed(t *testing.T) {
	t.Parallel()
	for why, sentence := range map[Refusal]string{"": "", WrongToken: "That token is not the one this dashboard was started with.", TooManyGuesses: "Wait a second before you try another."} {
		page := string(Login(why))
		if strings.Contains(page, `role="alert"`) != (why != "") || !strings.Contains(page, sentence) {
			t.Errorf("Login(%q) is %s", why, page)
		}
		for _, part := range []string{`method="post"`, `action="login"`, `name="token"`} {
			if !strings.Contains(page, part) {
				t.Errorf("Login(%q) has no %s", why, part)
			}
		}
		if strings.Contains(page, refusedMark) {
			t.Errorf("Login(%q) still holds the mark", why)
		}
	}
}

func TestPagesAreTheCallersToChange(t *testing.T) {
	t.Parallel()
	Index(true)[0], Login(WrongToken)[0] = 'x', 'x'
	if Index(true)[0] != '<' || Login(WrongToken)[0] != '<' {
		t.Error("a caller's change reached the next caller")
	}
}
