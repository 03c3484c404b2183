// Package view makes one consolidated view of all the snapshots and heartbeats there are: documents
// in, a tree keyed by name out, and the JSON Merge Patch from one view to the next. It does no I/O.
package view
