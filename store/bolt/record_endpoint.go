package bolt

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/fluxmq/webhookd/store"
)

// endpoint is what the bucket endpoints keeps for an endpoint's name.
type endpoint struct {
	id uint32 // which stands for the name in other keys
	store.EndpointRecord
}

func encodeEndpoint(key []byte, e endpoint) ([]byte, error) {
	text, err := json.Marshal(e.EndpointRecord)
	if err != nil {
		return nil, fmt.Errorf("write the account of endpoint %q: %w", key, err)
	}
	record := binary.BigEndian.AppendUint32(newRecord(kindEndpoint, 4+len(text)), e.id)
	return seal(key, append(record, text...)), nil
}

func decodeEndpoint(key, record []byte) (endpoint, error) {
	f, err := unseal(kindEndpoint, key, record)
	if err != nil {
		return endpoint{}, err
	}
	e := endpoint{id: f.uint32()}
	if err := f.err(); err != nil {
		return endpoint{}, err
	}
	return e, json.Unmarshal(f.rest, &e.EndpointRecord)
}

// A name's record is the name.
func encodeName(key []byte, name string) []byte {
	return seal(key, append(newRecord(kindName, len(name)), name...))
}

func decodeName(key, record []byte) (string, error) {
	f, err := unseal(kindName, key, record)
	if err != nil {
		return "", err
	}
	return string(f.rest), nil
}
