// Package dashboard exists so that the engineer on call sees in one page which queue is in trouble,
// whether it gets worse and how old the numbers are.
//
// [Index] is the page, [Login] the page before it, [Assets] the files both refer to. They are
// plain HTML, CSS and ES modules, embedded as they are written: there is no build step, and
// nothing is fetched from anywhere else.
//
// What the server owes the page:
//
//   - All its URLs are relative, for a path prefix such as an API Gateway stage: the page itself
//     must be served at a path that ends in a slash.
//   - Assets carry no secret and are served without a session, as the login page needs them too.
//     Embedded files have no modification time; give them an ETag, and no-cache.
//   - An API answer of 401 makes the page reload itself, so GET / without a session is [Login].
//   - A stream begins with a whole view, on reconnection too. The page cannot see comments, so one
//     that is silent for 25 s is opened anew; a patch of generated_at alone, every 15 s, spares an
//     idle page that.
//   - Everything works, and is meant to be served, under this policy: default-src 'none';
//     script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;
//     form-action 'self'; base-uri 'none'; frame-ancestors 'none'.
//
// In the page, data is hostile text. It reaches the document through assets/dom.js alone, as text
// nodes and inert attributes, with control and bidirectional characters made visible. What is not
// known is a dash, never 0. The address's fragment holds the filters, so that a link can be shared.
//
// Tests find their way by data-queue ("app/driver/name"), data-status, data-origin, data-metric,
// data-server ("app/id"), data-total, #problems, and #live-state with its data-state: connecting,
// live, polling, frozen (Redis does not answer) or reconnecting; body[data-old] says that the numbers are not
// renewed: Redis does not answer, or nothing was heard for over 15 s.
package dashboard

import (
	"embed"
	"io/fs"
	"strings"
)

var (
	//go:embed assets
	assets embed.FS

	//go:embed pages/index.html
	index string

	//go:embed pages/login.html
	login string
)

// Where the pages differ, and how. A template engine for these two lines would keep the linker from
// dropping unused methods, which a cold start pays for.
const (
	failedMark    = "<!-- failed -->"
	failedMessage = `<p class="bad" role="alert">That token is not the one this dashboard was started with.</p>`

	signedInMark = "<!-- signed in -->"
	signOut      = `<form method="post" action="logout"><button type="submit">Sign out</button></form>`
)

// Assets is the static files, named as the pages name them below "assets/": "app.js", "style.css".
func Assets() fs.FS {
	files, err := fs.Sub(assets, "assets")
	if err != nil {
		panic(err) // "assets" is a valid path, and Sub checks nothing else
	}
	return files
}

// Index is the dashboard as HTML, UTF-8; signedIn says that there was a login, so that one can sign out.
func Index(signedIn bool) []byte { return page(index, signedInMark, signOut, signedIn) }

// Login is the page that asks for the token, as HTML, UTF-8; failed says that the last one was wrong.
func Login(failed bool) []byte { return page(login, failedMark, failedMessage, failed) }

// page is html with text where mark stands, or with neither.
func page(html, mark, text string, with bool) []byte {
	if !with {
		text = ""
	}
	return []byte(strings.Replace(html, mark, text, 1))
}
