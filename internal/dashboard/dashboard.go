// Package dashboard exists so that the engineer on call sees in one page which queue is in trouble,
// whether it gets worse and when it is drained.
//
// [Index] is the page, [Login] the page before it, [Assets] the one script and the one stylesheet both refer to.
// Their source is page/, in TypeScript and CSS; `make page` builds it into built/, which is committed, so that
// building the program needs no Node, and nothing is fetched from anywhere else.
//
// What the server owes the page:
//
//   - All its URLs are relative, for a path prefix such as an API Gateway stage: the page itself
//     must be served at a path that ends in a slash.
//   - Assets carry no secret and are served without a session, as the login page needs them too. Their names
//     hold a hash of what is in them: they may be kept for ever.
//   - An API answer of 401 makes the page reload itself, so GET / without a session is [Login].
//   - A stream begins with a whole view, on reconnection too. The page cannot see comments, so one
//     that is silent for 20 s is opened anew; a patch of generated_at alone, every 15 s, spares an
//     idle page that.
//   - Everything works, and is meant to be served, under this policy: default-src 'none';
//     script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;
//     form-action 'self'; base-uri 'none'; frame-ancestors 'none'.
//
// In the page, data is hostile text. It becomes text nodes and inert attributes only, with control and
// bidirectional characters made visible (page/src/parts/text.tsx). What is not known is a dash, never 0. The
// address's fragment holds what the reader chose to see, so that a link can be shared (page/src/choice.ts).
//
// Tests find their way by data-queue ("app/driver/name"), data-group, data-status, data-origin, data-metric,
// data-server ("app/id"), data-total, data-trouble, #verdict with its data-verdict (connecting, ok, warn, crit or
// blind), and #live-state with its data-state: connecting, live, polling, frozen or reconnecting.
package dashboard

import (
	"embed"
	"io/fs"
	"strings"
)

var (
	//go:embed built
	built embed.FS

	//go:embed pages/index.html
	index string

	//go:embed pages/login.html
	login string
)

// Where the pages differ, and how. A template engine for these few lines would keep the linker from
// dropping unused methods, which a cold start pays for.
const (
	refusedMark  = "<!-- refused -->"
	signedInMark = " data-signed-out"
)

func init() {
	names := assetNames()
	index, login = names.Replace(index), names.Replace(login)
}

// assetNames puts the built files' names, which have a hash in them, in the place of plain ones.
func assetNames() *strings.Replacer {
	entries, err := fs.ReadDir(built, "built")
	if err != nil {
		panic(err) // it is part of the program
	}
	var pairs []string
	for _, entry := range entries {
		base, rest, _ := strings.Cut(entry.Name(), "-")
		_, extension, _ := strings.Cut(rest, ".")
		pairs = append(pairs, `"assets/`+base+"."+extension+`"`, `"assets/`+entry.Name()+`"`)
	}
	return strings.NewReplacer(pairs...)
}

// Assets is the script and the stylesheet, named as the pages name them below "assets/": such as "page-DEL3X3EV.js".
func Assets() fs.FS {
	files, err := fs.Sub(built, "built")
	if err != nil {
		panic(err) // "built" is a valid path, and Sub checks nothing else
	}
	return files
}

// Index is the dashboard as HTML, UTF-8; signedIn says that there was a login, so that one can sign out.
func Index(signedIn bool) []byte { return page(index, signedInMark, " data-signed-in", signedIn) }

// Refusal is why the page asks for a token again; "" where it asks for the first time.
type Refusal string

const (
	// WrongToken is another token than the dashboard's.
	WrongToken Refusal = `<p class="bad" role="alert" data-text="login.failed">That token is not the one this dashboard was started with.</p>`
	// TooManyGuesses is a wrong token while many others were wrong.
	TooManyGuesses Refusal = `<p class="bad" role="alert" data-text="login.throttled">That token is wrong, as many others were just now. Wait a second before you try another.</p>`
)

// Login is the page that asks for the token, as HTML, UTF-8.
func Login(why Refusal) []byte { return page(login, refusedMark, string(why), true) }

// page is html with text where mark stands, or with neither.
func page(html, mark, text string, with bool) []byte {
	if !with {
		text = ""
	}
	return []byte(strings.Replace(html, mark, text, 1))
}
