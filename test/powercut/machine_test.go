//go:build linux

package powercut

import (
	"fmt"
	"io"
	"net/rpc"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// serveVariable names the folder at which the test's program serves a disk instead of running tests.
const serveVariable = "POWERCUT_SERVE"

func TestMain(m *testing.M) {
	if folder := os.Getenv(serveVariable); folder != "" {
		if err := serve(folder, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// machine is a disk, mounted in a folder, and the switch of its power.
type machine struct {
	t      *testing.T
	folder string
	power  *rpc.Client
}

// newMachine starts a process that serves a disk.
func newMachine(t *testing.T, seed uint64) *machine {
	t.Helper()
	device, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil || os.Getuid() != 0 {
		t.Skipf("a file system of the test's own needs root and /dev/fuse: %v", err)
	}
	device.Close()
	m := &machine{t: t, folder: t.TempDir()}
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), serveVariable+"="+m.folder)
	command.Stderr = os.Stderr
	commands, err := command.StdinPipe()
	require.NoError(t, err)
	answers, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	m.power = rpc.NewClient(struct {
		io.Reader
		io.WriteCloser
	}{answers, commands})
	t.Cleanup(func() {
		_ = m.power.Close()
		_ = command.Wait()
		_ = syscall.Unmount(m.folder, syscall.MNT_DETACH) // where the process broke down
	})
	if err := m.power.Call("Power.Insert", seed, &None{}); err != nil {
		t.Skipf("this machine mounts no file system of the test's own: %v", err)
	}
	return m
}

// store is the folder of the store.
func (m *machine) store() string { return filepath.Join(m.folder, "store") }

func (m *machine) call(command string, argument any) {
	m.t.Helper()
	require.NoError(m.t, m.power.Call("Power."+command, argument, &None{}))
}

// cutAt cuts the power in place of the given change of the disk from now on: 1 is the next one.
func (m *machine) cutAt(change int) { m.t.Helper(); m.call("CutAt", change) }

func (m *machine) cut() { m.t.Helper(); m.call("Cut", None{}) }

// boot ends a power cut.
func (m *machine) boot() { m.t.Helper(); m.call("Boot", None{}) }

func (m *machine) breaks(faults Faults) { m.t.Helper(); m.call("Break", faults) }

func (m *machine) dropCache() { m.t.Helper(); m.call("DropCache", None{}) }

// isCut tells whether the power is cut within that time.
func (m *machine) isCut(limit time.Duration) (cut bool) {
	m.t.Helper()
	require.NoError(m.t, m.power.Call("Power.AwaitCut", limit, &cut))
	return cut
}
