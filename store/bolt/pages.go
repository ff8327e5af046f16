package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/bits"
	"os"
	"slices"
)

// bbolt's file (its format 2): pages, of which the first two are the meta pages, written in turn. All numbers are in the
// byte order of the machine.
const (
	pageHeader    = 16 // id, flags, count, overflow
	pageElement   = 16
	bucketHeader  = 16 // root page, sequence; an inline bucket's page follows
	metaBytes     = 64
	metaMagic     = 0xED0CDAED
	metaVersion   = 2
	noFreelist    = ^uint64(0)
	branchFlag    = 0x01
	leafFlag      = 0x02
	freelistFlag  = 0x10
	bucketElement = 0x01 // a leaf element's value is a bucket
)

var (
	native     = binary.NativeEndian
	errNoPages = errors.New("it is no file of bbolt, or both of its meta pages are damaged")
)

// pages reads the pages of a file without bbolt, which panics over those that are damaged.
type pages struct {
	file     io.ReaderAt
	size     int64
	pageSize int64
	meta     pagesMeta
}

type pagesMeta struct {
	root, freelist, high, txid uint64 // high is the number of pages
}

// openPages finds the newest meta page that is whole.
func openPages(file *os.File) (*pages, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	p := &pages{file: file, size: info.Size(), pageSize: int64(os.Getpagesize())}
	found := false
	for at := int64(0); at <= 1<<16; at = max(at*2, 1<<10) { // of the second page, whose size only a whole one tells
		meta, pageSize, err := p.readMeta(at)
		if newer := (*newerError)(nil); errors.As(err, &newer) && at == 0 {
			return nil, err
		}
		if err != nil || at != 0 && at != pageSize {
			continue
		}
		if !found || meta.txid > p.meta.txid {
			p.meta, p.pageSize, found = meta, pageSize, true
		}
	}
	if !found {
		p.meta.high = uint64(p.size / p.pageSize)
		return p, errNoPages
	}
	return p, nil
}

func (p *pages) readMeta(at int64) (meta pagesMeta, pageSize int64, err error) {
	text := make([]byte, pageHeader+metaBytes)
	if _, err := p.file.ReadAt(text, at); err != nil {
		return meta, 0, err
	}
	text = text[pageHeader:]
	sum := fnv.New64a()
	_, _ = sum.Write(text[:metaBytes-8])
	if version := native.Uint32(text[4:]); native.Uint32(text) == metaMagic && version > metaVersion && version < metaVersion+10 {
		return meta, 0, &newerError{fmt.Sprintf("version %d of bbolt's format", version)}
	}
	if native.Uint32(text) != metaMagic || native.Uint32(text[4:]) != metaVersion || native.Uint64(text[metaBytes-8:]) != sum.Sum64() {
		return meta, 0, errNoPages
	}
	return pagesMeta{
		root: native.Uint64(text[16:]), freelist: native.Uint64(text[32:]), high: native.Uint64(text[40:]), txid: native.Uint64(text[48:]),
	}, int64(native.Uint32(text[8:])), nil
}

// page is a page and those that follow because it overflows.
type page struct {
	id       uint64
	flags    uint16
	overflow uint64
	elements []element
}

// element is a record of a leaf, a bucket of a leaf, or a child of a branch.
type element struct {
	key, value []byte
	bucket     bool
	child      uint64
}

// scratch is where a leaf is read to that nobody needs when the next one is read.
type scratch struct {
	text     []byte
	elements []element
}

// read reads a page, and its elements as far as they can be made out: with an error where it is not as bbolt writes it.
// With scratch (nil: none) a leaf lasts until the next call.
func (p *pages) read(id uint64, with *scratch) (page, error) {
	var elements []element
	if with == nil {
		with = &scratch{}
	}
	text, err := p.readTo(with.text, id, 1)
	if err != nil {
		return page{id: id}, err
	}
	got := page{id: id, flags: native.Uint16(text[8:]), overflow: uint64(native.Uint32(text[12:]))}
	if named := native.Uint64(text); named != id {
		err = fmt.Errorf("page %d says that it is page %d", id, named)
	}
	if with.text = text; got.flags == branchFlag {
		with.text = nil
	} else {
		elements = with.elements
	}
	if got.overflow > 0 {
		longer, failed := p.readAt(id, got.overflow+1)
		if failed != nil {
			got.overflow, err = 0, failed
		} else {
			text = longer
		}
	}
	elements, end, failed := elementsOf(elements[:0], text, got.flags)
	got.elements = elements
	if got.flags != branchFlag {
		with.elements = elements
	}
	if failed == nil && uint64(end) < got.overflow*uint64(p.pageSize) {
		failed = errors.New("it can't be as long as it says")
	}
	if failed != nil {
		err = fmt.Errorf("page %d: %w", id, failed)
	}
	return got, err
}

func (p *pages) readAt(id, count uint64) ([]byte, error) { return p.readTo(nil, id, count) }

// readTo reads pages into text, where that is long enough.
func (p *pages) readTo(text []byte, id, count uint64) ([]byte, error) {
	if id < 2 || id >= p.meta.high || count > p.meta.high-id {
		return nil, fmt.Errorf("page %d is beyond the end", id)
	}
	if length := int64(count) * p.pageSize; int64(len(text)) != length {
		text = make([]byte, length)
	}
	if n, err := p.file.ReadAt(text, int64(id)*p.pageSize); n < len(text) {
		return nil, fmt.Errorf("read page %d: %w", id, err)
	}
	return text, nil
}

// elementsOf reads the elements of a page into what there is room for. bbolt writes what they hold one after the other, right behind them.
func elementsOf(room []element, text []byte, flags uint16) (elements []element, end int, failed error) {
	leaf := flags == leafFlag
	if !leaf && flags != branchFlag {
		failed, leaf = fmt.Errorf("it is of no known kind (%#x)", flags), true
	}
	count := int(native.Uint16(text[10:]))
	if most := (len(text) - pageHeader) / pageElement; count > most {
		failed, count = fmt.Errorf("it can't have %d elements", count), most
	}
	elements = slices.Grow(room, count)
	next := pageHeader + count*pageElement
	for i := range count {
		at := pageHeader + i*pageElement
		var e element
		var begin, key, value uint64
		if leaf {
			e.bucket = native.Uint32(text[at:])&bucketElement != 0
			begin, key, value = uint64(native.Uint32(text[at+4:])), uint64(native.Uint32(text[at+8:])), uint64(native.Uint32(text[at+12:]))
		} else {
			begin, key = uint64(native.Uint32(text[at:])), uint64(native.Uint32(text[at+4:]))
			e.child = native.Uint64(text[at+8:])
		}
		begin += uint64(at)
		if begin+key+value > uint64(len(text)) {
			failed = fmt.Errorf("its element %d reaches beyond it", i)
			continue
		}
		if begin != uint64(next) {
			failed = fmt.Errorf("its element %d is not where it should be", i)
		}
		next = int(begin + key + value)
		e.key, e.value = text[begin:begin+key:begin+key], text[begin+key:next:next]
		if len(elements) > 0 && bytes.Compare(elements[len(elements)-1].key, e.key) >= 0 {
			failed = fmt.Errorf("its element %d is not in order", i)
		}
		elements = append(elements, e)
	}
	return elements, next, failed
}

// inline reads the page of an inline bucket out of its value.
func inline(value []byte) (page, error) {
	text := value[bucketHeader:]
	if len(text) < pageHeader {
		return page{}, errors.New("an inline bucket is too short")
	}
	elements, _, err := elementsOf(nil, text, native.Uint16(text[8:]))
	return page{flags: leafFlag, elements: elements}, err
}

// pageSet is a set of page numbers, or of other numbers that are near each other.
type pageSet map[uint64]*[1 << 10]uint64

func (s pageSet) has(n uint64) bool {
	words, found := s[n>>16]
	return found && words[n>>6&(1<<10-1)]>>(n&63)&1 != 0
}

// add is false where it was in the set.
func (s pageSet) add(n uint64) bool {
	words, found := s[n>>16]
	if !found {
		words = new([1 << 10]uint64)
		s[n>>16] = words
	}
	word, bit := &words[n>>6&(1<<10-1)], uint64(1)<<(n&63)
	had := *word&bit != 0
	*word |= bit
	return !had
}

func (s pageSet) len() (n int) {
	for _, words := range s {
		for _, word := range words {
			n += bits.OnesCount64(word)
		}
	}
	return n
}
