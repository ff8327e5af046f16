package bolt

import (
	"encoding/binary"

	"github.com/google/uuid"
	"go.etcd.io/bbolt"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
)

// formatVersion is of what this file and the records say. A file of a later one is not touched.
const formatVersion = 1

// The buckets, and what their keys are made of. Numbers are big-endian, so that keys are in order.
var (
	metaBucket      = []byte("meta")      // see meta.go
	endpointsBucket = []byte("endpoints") // name → endpoint
	namesBucket     = []byte("names")     // endpoint id → name, again, in case that a page is lost
	eventsBucket    = []byte("events")    // event number → event
	heldBucket      = []byte("held")      // endpoint id, class, place number → hold
	sharedBucket    = []byte("shared")    // event number, and endpoint id or letter id → holder, for shared events only
	lettersBucket   = []byte("letters")   // letter id → letter
	byEndpointIndex = []byte("by_endpoint")
	byTypeIndex     = []byte("by_type") // event type, letter id; by_endpoint: endpoint id, event type, letter id
	damagedBucket   = []byte("damaged") // event number → what stood in place of its record
)

// buckets are all buckets; ordered are those whose keys are mostly appended.
var (
	buckets = [][]byte{metaBucket, endpointsBucket, namesBucket, eventsBucket, heldBucket, sharedBucket, lettersBucket, byEndpointIndex, byTypeIndex, damagedBucket}
	ordered = [][]byte{eventsBucket, heldBucket, sharedBucket, lettersBucket, byEndpointIndex, byTypeIndex}
)

func endpointKey(id uint32) []byte  { return binary.BigEndian.AppendUint32(nil, id) }
func eventKey(number uint64) []byte { return binary.BigEndian.AppendUint64(nil, number) }
func letterKey(id uuid.UUID) []byte { return id[:] }
func eventOfKey(key []byte) uint64  { return binary.BigEndian.Uint64(key) }
func endpointOfKey(k []byte) uint32 { return binary.BigEndian.Uint32(k) }

const heldKeyBytes = 4 + 1 + 8

func heldKey(endpoint uint32, place delivery.Place) []byte {
	return binary.BigEndian.AppendUint64(heldPrefix(endpoint, place.Class), place.Number)
}

func heldPrefix(endpoint uint32, class messages.Class) []byte {
	key := make([]byte, 0, heldKeyBytes)
	return append(binary.BigEndian.AppendUint32(key, endpoint), byte(class))
}

func placeOfKey(key []byte) delivery.Place {
	return delivery.Place{Class: messages.Class(key[4]), Number: binary.BigEndian.Uint64(key[5:])}
}

// sharedKey tells that a holder, an endpoint's or a letter's key, has an event.
func sharedKey(event uint64, holder []byte) []byte { return append(eventKey(event), holder...) }

func byEndpointKey(endpoint uint32, eventType messages.Type, id uuid.UUID) []byte {
	return append(byEndpointPrefix(endpoint, eventType), id[:]...)
}

func byEndpointPrefix(endpoint uint32, eventType messages.Type) []byte {
	return append(endpointKey(endpoint), byte(eventType))
}

func byTypeKey(eventType messages.Type, id uuid.UUID) []byte {
	return append([]byte{byte(eventType)}, id[:]...)
}

// tables are the buckets within a transaction.
type tables struct {
	meta, endpoints, names, events, held, shared, letters, byEndpoint, byType, damaged *bbolt.Bucket
}

func tablesOf(tx *bbolt.Tx) tables {
	for _, name := range ordered {
		tx.Bucket(name).FillPercent = 1 // it is appended to: what is full stays full
	}
	return tables{
		meta:       tx.Bucket(metaBucket),
		endpoints:  tx.Bucket(endpointsBucket),
		names:      tx.Bucket(namesBucket),
		events:     tx.Bucket(eventsBucket),
		held:       tx.Bucket(heldBucket),
		shared:     tx.Bucket(sharedBucket),
		letters:    tx.Bucket(lettersBucket),
		byEndpoint: tx.Bucket(byEndpointIndex),
		byType:     tx.Bucket(byTypeIndex),
		damaged:    tx.Bucket(damagedBucket),
	}
}
