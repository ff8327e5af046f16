package bolt

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/fluxmq/webhookd/messages"
)

// event is what the bucket events keeps for an event's number.
type event struct {
	messages.Stored
	first holder // from which the index of what is held is built again if that is lost
	name  string // of the first holder, in case that the names are lost, too
}

// holder is who took an event, and where it stands there.
type holder struct {
	endpoint uint32
	number   uint64 // delivery.Place.Number
	at       time.Time
}

func (f *fields) holder() holder {
	return holder{endpoint: f.uint32(), number: f.uint64(), at: f.time()}
}

func appendHolder(to []byte, h holder) []byte {
	to = binary.BigEndian.AppendUint32(to, h.endpoint)
	to = binary.BigEndian.AppendUint64(to, h.number)
	return appendTime(to, h.at)
}

// eventBytes is the length of a record beside its texts and body, at most.
const eventBytes = 1 + 12 + binary.MaxVarintLen64 + (4 + 8 + 12) + 7*binary.MaxVarintLen64

func encodeEvent(key []byte, e event) []byte {
	record := newRecord(kindEvent, eventBytes+len(e.name)+len(e.ID)+len(e.BrokerID)+len(e.Topic)+len(e.Body))
	record = append(record, byte(e.Type))
	record = appendTime(record, e.Timestamp)
	record = binary.AppendUvarint(record, uint64(e.Size))
	record = appendText(appendHolder(record, e.first), e.name)
	for _, text := range []string{e.ID, e.BrokerID, e.Topic} {
		record = appendTextOf(record, text, e.Body)
	}
	return seal(key, append(record, e.Body...))
}

func decodeEvent(key, record []byte) (event, error) {
	f, err := unseal(kindEvent, key, record)
	if err != nil {
		return event{}, err
	}
	var e event
	e.Type = messages.Type(f.byte())
	e.Timestamp = f.time()
	e.Size = f.count()
	e.first, e.name = f.holder(), f.text()
	id, broker, topic := f.textOf(), f.textOf(), f.textOf()
	e.Body = bytes.Clone(f.rest)
	e.ID, e.BrokerID, e.Topic = f.resolve(id), f.resolve(broker), f.resolve(topic)
	return e, f.err()
}

// envelope is the event as it was admitted.
func (e event) envelope() (*messages.Envelope, error) { return messages.StoredEnvelope(e.Stored) }

// textOf is a text, or where it stands in the body, which has most texts already.
type textOf struct {
	text   string
	length uint64
	offset uint64
	inBody bool
}

func appendTextOf(to []byte, text string, body []byte) []byte {
	offset := bytes.Index(body, []byte(text))
	if text == "" || offset < 0 {
		to = binary.AppendUvarint(to, uint64(len(text))<<1)
		return append(to, text...)
	}
	to = binary.AppendUvarint(to, uint64(len(text))<<1|1)
	return binary.AppendUvarint(to, uint64(offset))
}

func (f *fields) textOf() textOf {
	length := f.uvarint()
	if length&1 == 0 {
		return textOf{text: string(f.bytes(length >> 1))}
	}
	return textOf{length: length >> 1, offset: f.uvarint(), inBody: true}
}

// resolve finds a text in the body, which is all that is left then.
func (f *fields) resolve(t textOf) string {
	if !t.inBody {
		return t.text
	}
	body := uint64(len(f.rest))
	if t.offset > body || t.length > body-t.offset {
		f.broken = true
		return ""
	}
	return string(f.rest[t.offset : t.offset+t.length])
}
