//go:build linux || darwin

package bolt

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// roomIn is how many bytes a process without privileges can still write to a folder.
func roomIn(dir string) (int64, error) {
	var found unix.Statfs_t
	if err := unix.Statfs(dir, &found); err != nil {
		return 0, fmt.Errorf("ask how much room %s has: %w", dir, err)
	}
	return int64(found.Bavail * uint64(found.Bsize)), nil
}
