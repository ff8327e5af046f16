//go:build !linux

package bolt

import "os"

// dropCache is Linux's alone.
func dropCache(*os.File) error { return nil }
