package storetest_test

import (
	"sync"
	"testing"

	"github.com/fluxmq/webhookd/store"
	"github.com/fluxmq/webhookd/store/storetest"
)

func TestMemory(t *testing.T) {
	var mu sync.Mutex
	disks := map[string]*storetest.Disk{}
	storetest.Run(t, func(_ *testing.T, dir string) store.Keeper {
		mu.Lock()
		defer mu.Unlock()
		if disks[dir] == nil {
			disks[dir] = storetest.NewDisk()
		}
		return disks[dir].Keeper()
	})
}
