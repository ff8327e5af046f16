package webhookd

import (
	"regexp"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

var listening = regexp.MustCompile(`^listening on (\S+)`)

// Listen starts `webhookd listen` on a free port, and returns its URL too. It has to stop cleanly at the end of the test.
func Listen(t *testing.T, flags ...string) (p *Process, url string) {
	t.Helper()
	p = Start(t, append([]string{"listen", "--address", "127.0.0.1:0"}, flags...)...)
	t.Cleanup(func() {
		p.Signal(syscall.SIGINT)
		require.Zero(t, p.Exit())
	})
	Eventually(t, func() bool {
		found := listening.FindStringSubmatch(p.Stdout())
		if found != nil {
			url = found[1]
		}
		return found != nil
	}, "the receiver listens")
	return p, url
}
