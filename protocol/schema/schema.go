// Package schema has the JSON Schemas (2020-12) of the documents that the protocol's writers write. Readers accept
// more: see the protocol package.
package schema

import _ "embed"

// The schemas, as JSON.
var (
	//go:embed queue-snapshot.schema.json
	QueueSnapshot []byte
	//go:embed heartbeat.schema.json
	Heartbeat []byte
	//go:embed slow-entry.schema.json
	SlowEntry []byte
	//go:embed trends.schema.json
	Trends []byte
)
