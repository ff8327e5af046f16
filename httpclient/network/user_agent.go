package network

import (
	"runtime/debug"
	"strings"
	"sync"
)

const modulePath = "github.com/fluxmq/webhookd"

// UserAgent is what all requests name as their sender: "webhookd/1.2.3", or "webhookd" where the build does not know its
// version.
var UserAgent = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "webhookd"
	}
	for _, module := range append(info.Deps, &info.Main) {
		if module.Path == modulePath && strings.HasPrefix(module.Version, "v") {
			return "webhookd/" + module.Version[1:]
		}
	}
	return "webhookd"
})
