package view

import (
	"bytes"
	"testing"
)

func TestChunksAreTheWhole(t *testing.T) {
	t.Parallel()
	for _, queues := range []int{0, 1, 5000} {
		v := new(Builder).Build(noon, []Document{queuesOf("shop", "a", queues), queuesOf("shop", "b", queues), queuesOf("blog", "a", queues)})
		whole, chunks := v.AppendJSON(nil), v.JSON()
		if !bytes.Equal(bytes.Join(chunks, nil), whole) {
			t.Errorf("%d queues: the chunks are something else", queues)
		}
		if queues == 5000 && len(chunks) < 5 {
			t.Errorf("%d bytes are %d chunks", len(whole), len(chunks))
		}
		for i, c := range chunks {
			if last := i == len(chunks)-1; !last && len(c) != chunkSize || last && len(c) >= chunkSize || cap(c) > chunkRoom+chunkRoom/2 {
				t.Errorf("chunk %d of %d has %d bytes, and room for %d", i, len(chunks), len(c), cap(c))
			}
		}
	}
}
