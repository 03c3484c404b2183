// Package api serves the consolidated view: as JSON, as a stream of server-sent events, and as the
// dashboard. It only reads; no route changes a queue.
package api
