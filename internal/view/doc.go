// Package view makes one view of all snapshots and heartbeats: it reads documents and returns a tree keyed by
// name.
//
// [Builder.Build] makes a view of documents, or [Builder.Add] and [Builder.Finish] do, one document at a time.
// [Patch] makes the JSON Merge Patch from one view to the next.
//
// A document that cannot be read becomes a problem and hides no other. When a key is gone, the view keeps its
// last numbers, marked as lost, and the totals leave them out. The package does no I/O.
package view
