package service

import "runtime/debug"

// Version is the module's, "(devel)" when it was built from a work tree.
func Version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
