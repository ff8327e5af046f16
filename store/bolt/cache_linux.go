package bolt

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// dropCache drops a synced file from the page cache.
func dropCache(file *os.File) error {
	if err := unix.Fadvise(int(file.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		return fmt.Errorf("drop %s from the page cache: %w", file.Name(), err)
	}
	return nil
}
