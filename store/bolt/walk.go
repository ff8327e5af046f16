package bolt

import (
	"bytes"
	"errors"
	"fmt"
)

// walk goes through all pages that the newest meta page leads to.
type walk struct {
	*pages
	visited pageSet                                // those read
	reached pageSet                                // also those that others overflow into
	record  func(bucket string, key, value []byte) // called for each record, in order where nothing is bad
	bad     func(error)                            // called for what is not as bbolt writes it
	buckets map[string]uint64                      // those found, and their sequences
	scratch *scratch                               // nil: records outlast their call
	brief   bool                                   // the leaves of the events are not read, which are most of the file
}

// anyLevel is the level of a page of which nobody knows how far above the leaves it is.
const anyLevel = -1

func newWalk(p *pages, record func(bucket string, key, value []byte), bad func(error)) *walk {
	return &walk{pages: p, visited: pageSet{}, reached: pageSet{}, record: record, bad: bad, buckets: map[string]uint64{}}
}

// all goes through the file.
func (w *walk) all() {
	w.tree(w.meta.root, "", nil, nil, anyLevel)
	for _, name := range buckets {
		if _, found := w.buckets[string(name)]; !found {
			w.bad(fmt.Errorf("bucket %s is not found", name))
		}
	}
}

// tree goes through a page and those below it, whose keys are from low on and below high (nil: any). At level 0 it stops.
func (w *walk) tree(id uint64, bucket string, low, high []byte, level int) {
	if !w.visited.add(id) {
		w.bad(fmt.Errorf("page %d is in two places", id))
		return
	}
	if level == 0 {
		return
	}
	var with *scratch
	if bucket != "" { // the page of the buckets is needed until all is done
		with = w.scratch
	}
	got, err := w.read(id, with)
	if err != nil {
		w.bad(err)
	}
	for n := id; n <= id+got.overflow; n++ {
		if !w.reached.add(n) {
			w.bad(fmt.Errorf("page %d is in two places", n))
		}
	}
	if err := inRange(got, low, high); err != nil {
		w.bad(err)
	}
	if got.flags != branchFlag {
		w.leaf(got, bucket)
		return
	}
	if len(got.elements) == 0 {
		w.bad(fmt.Errorf("page %d leads nowhere", id))
	}
	for i, e := range got.elements {
		upTo := high
		if i+1 < len(got.elements) {
			upTo = got.elements[i+1].key
		}
		w.tree(e.child, bucket, e.key, upTo, max(level-1, anyLevel))
	}
}

// height is how many levels of branches are above the leaves: as many everywhere.
func (w *walk) height(id uint64) (levels int) {
	for {
		got, err := w.read(id, nil)
		if err != nil || got.flags != branchFlag || len(got.elements) == 0 || levels > 64 {
			return levels
		}
		id = got.elements[0].child
		levels++
	}
}

func inRange(got page, low, high []byte) error {
	if len(got.elements) == 0 {
		return nil
	}
	first, last := got.elements[0].key, got.elements[len(got.elements)-1].key
	if low != nil && bytes.Compare(first, low) < 0 || high != nil && bytes.Compare(last, high) >= 0 {
		return fmt.Errorf("page %d holds keys that belong elsewhere", got.id)
	}
	return nil
}

func (w *walk) leaf(got page, bucket string) {
	for _, e := range got.elements {
		switch {
		case e.bucket && bucket == "" && len(e.value) >= bucketHeader:
			w.bucket(string(e.key), e.value)
		case e.bucket || bucket == "":
			w.bad(fmt.Errorf("page %d: bucket %q can't be there", got.id, e.key))
		default:
			w.record(bucket, e.key, e.value)
		}
	}
}

func (w *walk) bucket(name string, value []byte) {
	w.buckets[name] = native.Uint64(value[8:])
	if root := native.Uint64(value); root != 0 {
		level := anyLevel
		if w.brief && name == string(eventsBucket) {
			level = w.height(root)
		}
		w.tree(root, name, nil, nil, level)
		return
	}
	got, err := inline(value)
	if err != nil {
		w.bad(fmt.Errorf("bucket %q: %w", name, err))
	}
	w.leaf(got, name)
}

// freelist checks that the list of free pages, where there is one, has none that is in use.
func (w *walk) freelist() error {
	if w.meta.freelist == noFreelist || w.brief {
		return nil
	}
	text, err := w.readAt(w.meta.freelist, 1)
	if err != nil {
		return err
	}
	overflow := uint64(native.Uint32(text[12:]))
	if native.Uint16(text[8:]) != freelistFlag || native.Uint64(text) != w.meta.freelist {
		return errors.New("the list of free pages is none")
	}
	if text, err = w.readAt(w.meta.freelist, overflow+1); err != nil {
		return err
	}
	for n := w.meta.freelist; n <= w.meta.freelist+overflow; n++ {
		if !w.reached.add(n) {
			return errors.New("the list of free pages is in two places")
		}
	}
	count, ids := uint64(native.Uint16(text[10:])), text[pageHeader:]
	if count == 0xFFFF {
		count, ids = native.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids)/8) {
		return errors.New("the list of free pages is too long")
	}
	free := pageSet{}
	for i := range count {
		id := native.Uint64(ids[i*8:])
		if id < 2 || id >= w.meta.high || w.reached.has(id) || !free.add(id) {
			return fmt.Errorf("the list of free pages has page %d, which is not free", id)
		}
	}
	return nil
}
