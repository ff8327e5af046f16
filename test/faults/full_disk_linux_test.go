package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/test/webhookd"
)

func TestFullDiskForTheLogStopsNothing(t *testing.T) {
	t.Parallel()
	const refused = 20
	disk := newSmallDisk(t)
	healthy := newStopwatch(t)
	endpoints := []string{endpoint("healthy", healthy.URL, "calm, storm")}
	for i := range refused {
		endpoints = append(endpoints, endpoint(fmt.Sprintf("refused-%d", i), refusing, "storm"))
	}
	p := webhookd.RunIn(t, disk, webhookd.IngestConfig(settings(timeout), endpoints...))
	endAudit := audit(t, p)

	pour(p, "calm", 1, 125)
	calm := healthy.lap(t, 125)
	fill(t, disk)
	pour(p, "storm", 126, 250)
	requirePrompt(t, calm, healthy.lap(t, 250), timeout)
	for i := range refused {
		awaitAll(t, p, fmt.Sprintf("refused-%d", i), "held", 250)
	}
	require.Less(t, len(p.Logged("attempt failed")), refused, "there was no room for the rest")

	endAudit()
	p.TerminateAndExpect(3)
}

// newSmallDisk is a folder on a disk of its own that has room for 256 KiB.
func newSmallDisk(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("mount a small disk, as root may: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, 0)) })
	return dir
}

// fill leaves no room on the disk until it is called free.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	filler, err := os.Create(filepath.Join(dir, "filler"))
	require.NoError(t, err)
	defer filler.Close()
	for err == nil {
		_, err = filler.Write(make([]byte, 4<<10))
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	return func() { require.NoError(t, os.Remove(filler.Name())) }
}
