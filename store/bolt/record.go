package bolt

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"
)

var (
	errChecksum = errors.New("it is not what was written: its checksum is another one")
	errMissing  = errors.New("it is not there any more")
	errRecord   = errors.New("it was not written by this version")
)

// checksumBytes is the length of the checksum that every record begins with.
const checksumBytes = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// kind tells what a record is, wherever it is found. Another layout of a record is another kind.
type kind byte

const (
	kindVersion kind = iota + 1
	kindState
	kindEndpoint
	kindName
	kindEvent
	kindHold
	kindShared
	kindLetter
)

// newRecord begins a record of about so many bytes.
func newRecord(k kind, length int) []byte {
	return append(make([]byte, checksumBytes, checksumBytes+1+length), byte(k))
}

// seal puts the checksum of a key and its record into the record.
func seal(key, record []byte) []byte {
	binary.BigEndian.PutUint32(record, checksum(key, record))
	return record
}

func checksum(key, record []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, record[checksumBytes:])
}

// unseal is what a record of a kind holds, if its checksum is right.
func unseal(k kind, key, record []byte) (*fields, error) {
	switch found, err := kindOf(key, record); {
	case err != nil:
		return nil, err
	case found != k:
		return nil, errRecord
	}
	return &fields{rest: record[checksumBytes+1:]}, nil
}

// kindOf is the kind of a record, if its checksum is right.
func kindOf(key, record []byte) (kind, error) {
	if record == nil {
		return 0, errMissing
	}
	if len(record) <= checksumBytes || binary.BigEndian.Uint32(record) != checksum(key, record) {
		return 0, errChecksum
	}
	return kind(record[checksumBytes]), nil
}

// fields reads the fields of a record one by one. After the first that is not whole all are zero.
type fields struct {
	rest   []byte
	broken bool
}

func (f *fields) err() error {
	if f.broken {
		return errRecord
	}
	return nil
}

func (f *fields) bytes(n uint64) []byte {
	if n > uint64(len(f.rest)) {
		f.broken, f.rest = true, nil
		return nil
	}
	taken := f.rest[:n]
	f.rest = f.rest[n:]
	return taken
}

func (f *fields) byte() byte {
	if b := f.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (f *fields) uint32() uint32 {
	if b := f.bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (f *fields) uint64() uint64 {
	if b := f.bytes(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (f *fields) uvarint() uint64 {
	value, n := binary.Uvarint(f.rest)
	if n <= 0 {
		f.broken, f.rest = true, nil
		return 0
	}
	f.rest = f.rest[n:]
	return value
}

// count is a number that fits an int.
func (f *fields) count() int {
	const most = 1<<31 - 1
	value := f.uvarint()
	if value > most {
		f.broken = true
		return 0
	}
	return int(value)
}

func (f *fields) text() string { return string(f.bytes(f.uvarint())) }

func appendText(to []byte, text string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(text))), text...)
}

// time is a moment of UTC; a Go program may have set any that time.Time can be.
func (f *fields) time() time.Time {
	seconds, nanos := int64(f.uint64()), f.uint32()
	if nanos >= uint32(time.Second) {
		f.broken = true
		return time.Time{}
	}
	return time.Unix(seconds, int64(nanos)).UTC()
}

func appendTime(to []byte, t time.Time) []byte {
	to = binary.BigEndian.AppendUint64(to, uint64(t.Unix()))
	return binary.BigEndian.AppendUint32(to, uint32(t.Nanosecond()))
}
