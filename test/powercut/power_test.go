//go:build linux

package powercut

import (
	"errors"
	"io"
	"net/rpc"
	"os"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// Power serves a disk to another process: who waits for a page of a file that it maps can't serve it.
type Power struct {
	disk   *disk
	folder string
	server *fuse.Server
	nodes  *node
}

// serve has the process that holds the other end of these files command a disk that is mounted there, to its end.
func serve(folder string, commands io.ReadCloser, answers io.WriteCloser) error {
	p := &Power{folder: folder}
	server := rpc.NewServer()
	if err := server.Register(p); err != nil {
		return err
	}
	server.ServeConn(struct {
		io.ReadCloser
		io.Writer
	}{commands, answers})
	return p.unmount()
}

// None is the answer of a command that has none.
type None struct{}

// Insert puts a new disk in.
func (p *Power) Insert(seed uint64, _ *None) error {
	p.disk = newDisk(seed)
	return p.mount()
}

// mount mounts the disk, without anything that the kernel's cache had of it before.
func (p *Power) mount() error {
	p.nodes = &node{disk: p.disk, in: p.disk.root}
	second := time.Second
	var err error
	p.server, err = fs.Mount(p.folder, p.nodes, &fs.Options{
		MountOptions: fuse.MountOptions{
			DirectMountStrict: true, FsName: "powercut", Name: "powercut",
			DisableXAttrs: true, ExplicitDataCacheControl: true,
		},
		EntryTimeout: &second, AttrTimeout: &second,
		RootStableAttr:  &fs.StableAttr{Ino: p.disk.root.number},
		NullPermissions: true,
	})
	return err
}

func (p *Power) unmount() error {
	if p.server == nil {
		return nil
	}
	p.server = nil
	if err := syscall.Unmount(p.folder, syscall.MNT_DETACH); err != nil && !errors.Is(err, syscall.EINVAL) {
		return os.NewSyscallError("unmount", err)
	}
	return nil
}

// CutAt cuts the power in place of the given change from now on: 1 is the next one.
func (p *Power) CutAt(change int, _ *None) error {
	p.disk.mu.Lock()
	defer p.disk.mu.Unlock()
	p.disk.left = change
	return nil
}

// AwaitCut tells whether the power is cut within that time.
func (p *Power) AwaitCut(limit time.Duration, cut *bool) error {
	select {
	case <-p.disk.dead:
		*cut = true
	case <-time.After(limit):
	}
	return nil
}

// Cut cuts the power.
func (p *Power) Cut(_ None, _ *None) error {
	p.disk.mu.Lock()
	defer p.disk.mu.Unlock()
	if !p.disk.isDead() {
		p.disk.cut()
	}
	return nil
}

// Boot mounts what the power cut left.
func (p *Power) Boot(_ None, _ *None) error {
	if err := p.unmount(); err != nil {
		return err
	}
	p.disk.mu.Lock()
	p.disk.boot()
	p.disk.mu.Unlock()
	return p.mount()
}

// Break has the disk do this wrong from now on.
func (p *Power) Break(wrong Faults, _ *None) error {
	p.disk.mu.Lock()
	defer p.disk.mu.Unlock()
	p.disk.faults = wrong
	return nil
}

// DropCache drops what the kernel has of the disk in memory, also of what is mapped.
func (p *Power) DropCache(_ None, _ *None) error {
	p.nodes.drop()
	return nil
}

func (n *node) drop() {
	n.NotifyContent(0, 0)
	for _, child := range n.Children() {
		child.Operations().(*node).drop()
	}
}
