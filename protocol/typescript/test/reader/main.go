// Command reader reads documents as package protocol does and prints what it makes of them, so that another
// implementation can be held to it: see ../differential.test.mjs. It is no part of the product.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/gravito-framework/pulse/protocol"
)

// document is a line of the input.
type document struct {
	Key  string
	Data []byte            // in base64, as encoding/json has it
	Slow map[string]string // the fields of a slow entry instead
}

// reading is a line of the output: what was read, or why nothing was.
type reading struct {
	Error     string                  `json:"error,omitempty"`
	Snapshot  *protocol.QueueSnapshot `json:"snapshot,omitempty"`
	Heartbeat *protocol.Heartbeat     `json:"heartbeat,omitempty"`
	ID        string                  `json:"id,omitempty"`
	Problems  []protocol.Problem      `json:"problems,omitempty"`
	Slow      map[string]string       `json:"slow,omitempty"` // as it would be written
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	out := bufio.NewWriter(os.Stdout)
	in := json.NewDecoder(bufio.NewReader(os.Stdin))
	for in.More() {
		var d document
		if err := in.Decode(&d); err != nil {
			return err
		}
		r, err := read(d)
		if err != nil {
			r = reading{Error: err.Error()}
		}
		if err := json.NewEncoder(out).Encode(r); err != nil {
			return err
		}
	}
	return out.Flush()
}

func read(d document) (r reading, err error) {
	if d.Slow != nil {
		entry, err := protocol.DecodeSlow(d.Slow)
		if err != nil {
			return r, err
		}
		r.Slow, err = entry.Fields()
		return r, err
	}
	switch protocol.KindOf(d.Key) {
	case protocol.KindQueues:
		r.Snapshot = new(protocol.QueueSnapshot)
		*r.Snapshot, r.Problems, err = protocol.DecodeSnapshot(d.Data)
	case protocol.KindServer:
		r.Heartbeat = new(protocol.Heartbeat)
		*r.Heartbeat, r.ID, err = protocol.DecodeHeartbeat(d.Key, d.Data)
	case protocol.KindQuasar:
		r.Heartbeat = new(protocol.Heartbeat)
		*r.Heartbeat, r.ID, r.Snapshot, r.Problems, err = protocol.DecodeQuasar(d.Data)
	case protocol.KindOther:
		err = fmt.Errorf("%q is no key of a document", d.Key)
	}
	return r, err
}
