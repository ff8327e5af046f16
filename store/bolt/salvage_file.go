package bolt

import "bytes"

// changesAtOnce is how many records are put within one transaction.
const changesAtOnce = 4096

// each calls for every record of a bucket of the new file. The call may change that bucket.
func (s *salvage) each(bucket []byte, call func(key, value []byte)) {
	from := []byte{}
	for from != nil {
		s.begin()
		cursor := s.tx.Bucket(bucket).Cursor()
		type record struct{ key, value []byte }
		var some []record
		key, value := cursor.Seek(from)
		for ; key != nil && len(some) < changesAtOnce; key, value = cursor.Next() {
			some = append(some, record{bytes.Clone(key), bytes.Clone(value)})
		}
		from = bytes.Clone(key)
		for _, r := range some {
			call(r.key, r.value)
		}
	}
}

func (s *salvage) get(bucket, key []byte) []byte {
	s.begin()
	return s.tx.Bucket(bucket).Get(key)
}

func (s *salvage) put(bucket, key, value []byte) {
	if len(key) == 0 {
		return
	}
	s.begin()
	s.fail(s.tx.Bucket(bucket).Put(key, value))
	s.changed()
}

func (s *salvage) delete(bucket, key []byte) {
	s.begin()
	s.fail(s.tx.Bucket(bucket).Delete(key))
	s.changed()
}

func (s *salvage) begin() {
	if s.tx != nil {
		return
	}
	tx, err := s.new.Begin(true)
	if err != nil {
		panic(err) // the new file is this goroutine's alone
	}
	s.tx, s.t = tx, tablesOf(tx)
}

func (s *salvage) changed() {
	if s.changes++; s.changes%changesAtOnce == 0 {
		s.flush()
	}
}

func (s *salvage) flush() {
	if s.tx != nil {
		s.fail(s.tx.Commit())
		s.tx = nil
	}
}

func (s *salvage) fail(err error) {
	if s.failed == nil {
		s.failed = err
	}
}
