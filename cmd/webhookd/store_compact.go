package main

import (
	"encoding/json"
	"fmt"

	"github.com/fluxmq/webhookd/store/bolt"
)

type storeCompactCommand struct{ storeFlags }

// compacted is what compact says of a store's file.
type compacted struct {
	Dir         string `json:"dir"`
	BytesBefore int64  `json:"bytes_before"`
	Bytes       int64  `json:"bytes"`
}

// Run compacts, and says what that gave back.
func (s *storeCompactCommand) Run(c console) error {
	dir, _, err := s.find(c)
	if err != nil {
		return usageError{err}
	}
	done, err := compact(dir)
	if err != nil {
		return fmt.Errorf("compact the store: %w", err)
	}
	if s.JSON {
		return json.NewEncoder(c.out).Encode(done)
	}
	_, err = fmt.Fprintf(c.out, "given back: %s of %s\n", shownBytes(done.BytesBefore-done.Bytes), shownBytes(done.BytesBefore))
	return err
}

func compact(dir string) (compacted, error) {
	before, err := bolt.ReadInfo(dir)
	if err != nil {
		return compacted{}, err
	}
	if err := bolt.Compact(dir); err != nil {
		return compacted{}, err
	}
	after, err := bolt.ReadInfo(dir)
	return compacted{Dir: dir, BytesBefore: before.FileBytes, Bytes: after.FileBytes}, err
}
