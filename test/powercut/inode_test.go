//go:build linux

package powercut

import (
	"bytes"
	"maps"
	"syscall"
)

// sector is how many bytes a disk writes as a whole.
const sector = 512

// inode is a file or a folder: as programs find it, and as the disk has it for sure.
type inode struct {
	number  uint64
	mode    uint32
	data    []byte
	dirty   map[int64]struct{} // sectors that were written since the last fsync
	written map[int64]struct{} // sectors that have room on the disk
	entries map[string]*inode  // of a folder
	changes []renaming         // of the entries, since the last fsync
	kept    struct {
		data    []byte
		entries map[string]*inode
	}
}

// renaming is one change of a folder: nil for a name that is none any more.
type renaming map[string]*inode

func (in *inode) isFolder() bool { return in.mode&syscall.S_IFMT == syscall.S_IFDIR }

// sectors are those that n bytes from there touch.
func sectors(from, n int64) (first, end int64) {
	return from / sector, (from + n + sector - 1) / sector
}

// resized has zeros where there was nothing.
func resized(data []byte, size int64) []byte {
	if size <= int64(len(data)) {
		return data[:size:size]
	}
	return append(data, make([]byte, size-int64(len(data)))...)
}

func (in *inode) needsRoom(from, n int64) bool {
	for at, end := sectors(from, n); at < end; at++ {
		if _, has := in.written[at]; !has {
			return true
		}
	}
	return false
}

// write changes what programs find. The version of a sector that it replaces may have reached the disk.
func (in *inode) write(data []byte, from int64, reached func() bool) {
	first, end := sectors(from, int64(len(data)))
	for at := first; at < end; at++ {
		if _, again := in.dirty[at]; again && reached() {
			in.keep(at)
		}
		in.dirty[at], in.written[at] = struct{}{}, struct{}{}
	}
	in.data = resized(in.data, max(int64(len(in.data)), from+int64(len(data))))
	copy(in.data[from:], data)
}

func (in *inode) truncate(size int64) {
	before := int64(len(in.data))
	in.data = resized(in.data, size)
	for at := range in.dirty {
		if at*sector >= size {
			delete(in.dirty, at)
		}
	}
	for at, end := sectors(before, max(0, min(size, int64(len(in.kept.data)))-before)); at < end; at++ {
		in.dirty[at] = struct{}{} // zeros where the disk has more
	}
}

// keep has a sector reach the disk.
func (in *inode) keep(at int64) {
	from, end := at*sector, min((at+1)*sector, int64(len(in.data)))
	if from >= end {
		return
	}
	in.kept.data = resized(in.kept.data, max(int64(len(in.kept.data)), end))
	copy(in.kept.data[from:end], in.data[from:end])
}

// lose has a sector that was not written be what the disk has, for who asks the disk.
func (in *inode) lose(at int64) {
	from, end := at*sector, min((at+1)*sector, int64(len(in.data)))
	if from >= end {
		return
	}
	clear(in.data[from:end])
	if from < int64(len(in.kept.data)) {
		copy(in.data[from:end], in.kept.data[from:])
	}
}

func (in *inode) sync() {
	for at := range in.dirty {
		in.keep(at)
	}
	clear(in.dirty)
	in.kept.data = resized(in.kept.data, int64(len(in.data)))
	in.kept.entries, in.changes = maps.Clone(in.entries), nil
}

// failSync is an fsync that fails: of what it was to write, some is written, and the rest dropped. All of it is clean
// then, so that the next fsync finds nothing to write; only the kernel's cache has what was lost, until that is dropped.
func (in *inode) failSync(reached func() bool) {
	for at := range in.dirty {
		if reached() {
			in.keep(at)
		} else {
			in.lose(at)
		}
	}
	clear(in.dirty)
}

// rename makes a change of a folder.
func (in *inode) rename(change renaming) {
	in.entries = applied(in.entries, change)
	in.changes = append(in.changes, change)
}

func applied(entries map[string]*inode, change renaming) map[string]*inode {
	for name, child := range change {
		if child == nil {
			delete(entries, name)
		} else {
			entries[name] = child
		}
	}
	return entries
}

// settle makes the inode what is there after a power cut.
func (in *inode) settle(luck func() bool) {
	for at := range in.dirty {
		if luck() {
			in.keep(at)
		}
	}
	if luck() {
		in.kept.data = resized(in.kept.data, int64(len(in.data)))
	}
	for _, change := range in.changes {
		if luck() {
			in.kept.entries = applied(in.kept.entries, change)
		}
	}
	clear(in.dirty)
	in.data = bytes.Clone(in.kept.data)
	in.entries, in.changes = maps.Clone(in.kept.entries), nil
	for at := range in.written {
		if at*sector >= int64(len(in.data)) {
			delete(in.written, at)
		}
	}
}
