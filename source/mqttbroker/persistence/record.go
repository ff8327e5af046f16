package persistence

// Record is one thing that is kept, until it is dropped. Its fields are its Keeper's, but for the number.
type Record struct {
	number  uint64
	encode  func() []byte // what it is now; nil: it is dropped
	stored  bool          // the file has it, or may have it
	bracket *Bracket      // nil: it is by itself
}

// Number is its own in the file, over restarts too, and larger than those of all records before.
func (r *Record) Number() uint64 { return r.number }

// Stored is a record that the file had when it was opened. Value belongs to whoever reads it.
type Stored struct {
	Record *Record
	Value  []byte
}

// Bracket holds together what is kept between its beginning and its end: a commit has all of it or nothing.
type Bracket struct {
	keeper *Keeper
	open   bool
	used   bool
}

// Use counts something as kept in the bracket that need not be there together with the rest.
func (b *Bracket) Use() {
	if b != nil {
		b.keeper.mu.Lock()
		defer b.keeper.mu.Unlock()
		b.used = true
	}
}

// Used tells whether anything was kept in the bracket.
func (b *Bracket) Used() bool {
	b.keeper.mu.Lock()
	defer b.keeper.mu.Unlock()
	return b.used
}

// End lets what is in the bracket be committed.
func (b *Bracket) End() {
	b.keeper.mu.Lock()
	defer b.keeper.mu.Unlock()
	if b.open {
		b.open = false
		b.keeper.changed()
	}
}

// change is what a commit makes of a record.
type change struct {
	record *Record
	encode func() []byte // nil: it is deleted
}

// value encodes the record, unless there is nothing of it any more.
func (c change) value() []byte {
	if c.encode == nil {
		return nil
	}
	return c.encode()
}
