// Package api serves the consolidated view: as JSON, as a stream of server-sent events, and as the
// dashboard.
//
// [NewLive] makes the view that all clients share, [Server.Handler] the routes.
//
// It only reads; no route changes a queue. While Redis does not answer it shows the last numbers, with their time. A
// version of the view is encoded once, however many clients there are; how many there may be is bounded, and one that
// reads too slowly is closed.
package api
