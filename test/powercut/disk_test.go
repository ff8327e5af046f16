//go:build linux

package powercut

import (
	"math/rand/v2"
	"sync"
	"syscall"
)

// disk is a file system in memory, of which nothing outlives a power cut for sure but what was synced:
//
//   - Of a file's data each sector that was written since its last fsync is there or is not, in any version; and so is the
//     file's new size, with zeros where no sector is.
//   - Names in a folder (create, link, rename, unlink, mkdir) are there for sure after an fsync of the folder, not of the
//     file. Any of the changes since then may be missing; each is whole, so that a rename never loses both files.
//   - Modes are kept at once, times are not told.
type disk struct {
	mu     sync.Mutex
	chance *rand.Rand
	root   *inode
	last   uint64 // inode number
	faults Faults
	left   int           // changes until the power is cut; 0: it is not
	dead   chan struct{} // closed when the power is cut
}

// Faults are what a disk does wrong until it is told otherwise.
type Faults struct {
	Read, Write, Sync bool // fail with EIO
	Full              bool // there is no room for a sector that was never written, or a new name
}

func newDisk(seed uint64) *disk {
	d := &disk{chance: rand.New(rand.NewPCG(seed, 0)), dead: make(chan struct{})}
	d.root = d.newInode(syscall.S_IFDIR | 0o700)
	return d
}

func (d *disk) newInode(mode uint32) *inode {
	d.last++
	in := &inode{number: d.last, mode: mode, dirty: map[int64]struct{}{}, written: map[int64]struct{}{}}
	if in.isFolder() {
		in.entries, in.kept.entries = map[string]*inode{}, map[string]*inode{}
	}
	return in
}

func (d *disk) coin() bool { return d.chance.IntN(2) == 0 }

func (d *disk) isDead() bool {
	select {
	case <-d.dead:
		return true
	default:
		return false
	}
}

// read does something that changes nothing.
func (d *disk) read(do func() syscall.Errno) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.isDead() {
		return syscall.EIO
	}
	return do()
}

// change does something that a power cut may come before.
func (d *disk) change(do func() syscall.Errno) syscall.Errno {
	return d.read(func() syscall.Errno {
		if d.left > 0 {
			if d.left--; d.left == 0 {
				d.cut()
				return syscall.EIO
			}
		}
		return do()
	})
}

func (d *disk) cut() {
	d.left = 0
	close(d.dead)
}

// boot is the disk after a power cut. How much of what was not synced is there is a matter of chance, and so is whether
// that is all, nothing, or something.
func (d *disk) boot() {
	share := []float64{0, 1, d.chance.Float64(), d.chance.Float64()}[d.chance.IntN(4)]
	luck := func() bool { return d.chance.Float64() < share }
	seen := map[*inode]bool{}
	var settle func(*inode)
	settle = func(in *inode) {
		if seen[in] {
			return
		}
		seen[in] = true
		in.settle(luck)
		for _, child := range in.entries {
			settle(child)
		}
	}
	settle(d.root)
	d.dead, d.left, d.faults = make(chan struct{}), 0, Faults{}
}
