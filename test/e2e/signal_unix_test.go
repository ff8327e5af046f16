//go:build unix

package e2e

import (
	"bufio"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/test/webhookd"
)

func TestSIGHUPIsIgnoredAndSaysSo(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	r.answers(func(int, received) int { return http.StatusOK })
	p := webhookd.Run(t, webhookd.IngestConfig("", "- {name: a, url: '"+r.URL+"'}\n"))
	const said = "SIGHUP is ignored: the configuration is read at the start only"
	p.Signal(syscall.SIGHUP)
	p.Await(said)
	p.Signal(syscall.SIGHUP)
	webhookd.Eventually(t, func() bool { return len(p.Logged(said)) == 2 }, "each is told")

	p.Post("t", 1, 10)
	p.TerminateAndExpect(0)
	require.Len(t, r.taken(""), 10)
}

func TestSIGHUPDuringADrainDoesNotEndIt(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	release := make(chan struct{})
	r.answers(func(int, received) int {
		<-release
		return http.StatusOK
	})
	p := webhookd.Run(t, webhookd.IngestConfig("", "- {name: slow, url: '"+r.URL+"'}\n"))
	p.Post("t", 1, 10)
	p.Signal(syscall.SIGTERM)
	p.Await("stopping: a second signal stops at once")
	p.Signal(syscall.SIGHUP)
	p.Await("SIGHUP is ignored: the configuration is read at the start only")
	close(release)
	require.Zero(t, p.Exit())
	require.Len(t, r.taken(""), 10)
}

// A named pipe shows when the program is at its very beginning: it waits for its configuration.
func TestSignalThatComesEarlyIsHeeded(t *testing.T) {
	t.Parallel()
	for signal, want := range map[syscall.Signal]int{syscall.SIGTERM: 0, syscall.SIGINT: 0} {
		p, _ := waitingForItsConfiguration(t, "run")
		p.Signal(signal)
		require.Equal(t, want, p.Exit())
		require.Len(t, p.Logged("stopped before the configuration was read"), 1)
	}
	p, _ := waitingForItsConfiguration(t, "check")
	p.Signal(syscall.SIGINT)
	require.Equal(t, 1, p.Exit(), "nothing was checked")
}

func TestSIGHUPThatComesEarlyIsIgnoredToo(t *testing.T) {
	t.Parallel()
	p, pipe := waitingForItsConfiguration(t, "run")
	p.Signal(syscall.SIGHUP)
	_, err := pipe.WriteString(webhookd.IngestConfig("", "- {name: a, url: 'http://127.0.0.1:1'}\n"))
	require.NoError(t, err)
	require.NoError(t, pipe.Close())
	p.Await("webhookd runs")
	p.Await("SIGHUP is ignored: the configuration is read at the start only")
	p.TerminateAndExpect(0)
}

func waitingForItsConfiguration(t *testing.T, command string) (p *webhookd.Process, pipe *os.File) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	p = webhookd.Start(t, command, "--config", path)
	webhookd.Eventually(t, func() bool {
		var err error
		pipe, err = os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0) // fails while nobody reads
		return err == nil
	}, "the program reads its configuration")
	t.Cleanup(func() { _ = pipe.Close() })
	return p, pipe
}

func TestLogThatNobodyReadsAnyMoreDoesNotEndTheProgram(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "webhookd.yml")
	require.NoError(t, os.WriteFile(file, []byte(webhookd.IngestConfig("", "- {name: a, url: 'http://127.0.0.1:1'}\n")), 0o600))
	command := webhookd.NewCommand("run", "--config", file)
	log, err := command.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() { _ = command.Process.Kill() })
	for lines := bufio.NewScanner(log); lines.Scan() && !strings.Contains(lines.Text(), "webhookd runs"); {
	}
	require.NoError(t, log.Close())
	require.NoError(t, command.Process.Signal(syscall.SIGTERM))
	require.NoError(t, command.Wait(), "it says that it stops, to nobody")
}
