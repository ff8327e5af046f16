//go:build linux

package powercut

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// node is an inode as the kernel sees it.
type node struct {
	fs.Inode
	disk *disk
	in   *inode
}

var _ interface {
	fs.NodeLookuper
	fs.NodeReaddirer
	fs.NodeCreater
	fs.NodeMkdirer
	fs.NodeLinker
	fs.NodeRenamer
	fs.NodeUnlinker
	fs.NodeRmdirer
	fs.NodeOpener
	fs.NodeReader
	fs.NodeWriter
	fs.NodeFsyncer
	fs.NodeGetattrer
	fs.NodeSetattrer
	fs.NodeStatfser
} = (*node)(nil)

func (n *node) attributes(of *inode, out *fuse.Attr) {
	out.Ino, out.Mode, out.Size, out.Nlink = of.number, of.mode, uint64(len(of.data)), 1
	out.Blocks = uint64(len(of.written))
}

func (n *node) child(ctx context.Context, of *inode, out *fuse.EntryOut) *fs.Inode {
	n.attributes(of, &out.Attr)
	return n.NewInode(ctx, &node{disk: n.disk, in: of}, fs.StableAttr{Mode: of.mode & syscall.S_IFMT, Ino: of.number})
}

func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (child *fs.Inode, errno syscall.Errno) {
	errno = n.disk.read(func() syscall.Errno {
		found := n.in.entries[name]
		if found == nil {
			return syscall.ENOENT
		}
		child = n.child(ctx, found, out)
		return 0
	})
	return child, errno
}

func (n *node) Readdir(context.Context) (stream fs.DirStream, errno syscall.Errno) {
	errno = n.disk.read(func() syscall.Errno {
		var entries []fuse.DirEntry
		for name, in := range n.in.entries {
			entries = append(entries, fuse.DirEntry{Name: name, Mode: in.mode, Ino: in.number})
		}
		stream = fs.NewListDirStream(entries)
		return 0
	})
	return stream, errno
}

// rename changes the folder.
func (n *node) rename(change func() (renaming, syscall.Errno)) syscall.Errno {
	return n.disk.change(func() syscall.Errno {
		if n.disk.faults.Write {
			return syscall.EIO
		}
		renaming, errno := change()
		if errno == 0 {
			n.in.rename(renaming)
		}
		return errno
	})
}

// add adds a name to the folder.
func (n *node) add(name string, of func() *inode) syscall.Errno {
	return n.rename(func() (renaming, syscall.Errno) {
		switch {
		case n.disk.faults.Full:
			return nil, syscall.ENOSPC
		case n.in.entries[name] != nil:
			return nil, syscall.EEXIST
		}
		return renaming{name: of()}, 0
	})
}

func (n *node) make(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (child *fs.Inode, errno syscall.Errno) {
	errno = n.add(name, func() *inode {
		made := n.disk.newInode(mode)
		child = n.child(ctx, made, out)
		return made
	})
	return child, errno
}

func (n *node) Create(ctx context.Context, name string, _, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	child, errno := n.make(ctx, name, mode&0o777|syscall.S_IFREG, out)
	return child, nil, fuse.FOPEN_KEEP_CACHE, errno
}

func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return n.make(ctx, name, mode&0o777|syscall.S_IFDIR, out)
}

func (n *node) Link(ctx context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (child *fs.Inode, errno syscall.Errno) {
	errno = n.add(name, func() *inode {
		linked := target.(*node).in
		child = n.child(ctx, linked, out)
		return linked
	})
	return child, errno
}

func (n *node) Rename(_ context.Context, name string, parent fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	return n.rename(func() (renaming, syscall.Errno) {
		if parent.(*node).in != n.in || flags != 0 {
			return nil, syscall.EXDEV
		}
		moved := n.in.entries[name]
		if moved == nil {
			return nil, syscall.ENOENT
		}
		return renaming{name: nil, newName: moved}, 0
	})
}

func (n *node) Unlink(_ context.Context, name string) syscall.Errno {
	return n.rename(func() (renaming, syscall.Errno) {
		if n.in.entries[name] == nil {
			return nil, syscall.ENOENT
		}
		return renaming{name: nil}, 0
	})
}

func (n *node) Rmdir(ctx context.Context, name string) syscall.Errno { return n.Unlink(ctx, name) }

// Open lets the kernel's cache outlive who opens and closes, as that of a disk's file does.
func (n *node) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_KEEP_CACHE, n.disk.read(func() syscall.Errno { return 0 })
}

func (n *node) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (result fuse.ReadResult, errno syscall.Errno) {
	errno = n.disk.read(func() syscall.Errno {
		if n.disk.faults.Read {
			return syscall.EIO
		}
		read := 0
		if off < int64(len(n.in.data)) {
			read = copy(dest, n.in.data[off:])
		}
		result = fuse.ReadResultData(dest[:read])
		return 0
	})
	return result, errno
}

func (n *node) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	errno := n.disk.change(func() syscall.Errno {
		switch {
		case n.disk.faults.Write:
			return syscall.EIO
		case n.disk.faults.Full && n.in.needsRoom(off, int64(len(data))):
			return syscall.ENOSPC
		}
		n.in.write(data, off, n.disk.coin)
		return 0
	})
	if errno != 0 {
		return 0, errno
	}
	return uint32(len(data)), 0
}

func (n *node) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	return n.disk.change(func() syscall.Errno {
		if n.disk.faults.Sync {
			n.in.failSync(n.disk.coin)
			return syscall.EIO
		}
		n.in.sync()
		return 0
	})
}

func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	return n.disk.read(func() syscall.Errno {
		n.attributes(n.in, &out.Attr)
		return 0
	})
}

func (n *node) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	set := func() syscall.Errno {
		if mode, given := in.GetMode(); given {
			n.in.mode = n.in.mode&syscall.S_IFMT | mode&0o777
		}
		n.attributes(n.in, &out.Attr)
		return 0
	}
	size, given := in.GetSize()
	if !given {
		return n.disk.read(set)
	}
	return n.disk.change(func() syscall.Errno {
		if n.disk.faults.Write {
			return syscall.EIO
		}
		n.in.truncate(int64(size))
		return set()
	})
}

func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	return n.disk.read(func() syscall.Errno {
		out.Bsize, out.Frsize, out.Blocks, out.NameLen = 4096, 4096, 1<<30, 255
		if !n.disk.faults.Full {
			out.Bfree, out.Bavail = 1<<29, 1<<29
		}
		return 0
	})
}
