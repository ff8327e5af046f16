package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/test/webhookd"
)

func TestListenVerifiesWhatRunSignsAndCompresses(t *testing.T) {
	t.Parallel()
	const next, last = "whsec_bmV4dC1uZXh0LW5leHQtbmV4dC1uZXh0LW5leHQ=", "whsec_bGFzdC1sYXN0LWxhc3QtbGFzdC1sYXN0LWxhc3Q="
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte(next+"\n"), 0o600))
	for name, flag := range map[string]string{"the next secret": "@" + file, "the last secret": last} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			receiver, url := webhookd.Listen(t, "--secret", flag)
			p := webhookd.Run(t, webhookd.IngestConfig("", "- {name: a, url: '"+url+"', compression: gzip, secrets: ["+next+", "+last+"]}\n"))
			p.Post("sensors/"+strings.Repeat("temperature/", 200), 1, 1)
			p.Post("sensors/temperature", 2, 2)
			webhookd.Eventually(t, func() bool { return strings.Count(receiver.Stdout(), "POST signature ok {") == 2 }, "both are verified")
			p.TerminateAndExpect(0)
		})
	}
}

func TestRequestSignedWithAnotherSecretIsRefusedAndSentAgain(t *testing.T) {
	t.Parallel()
	receiver, url := webhookd.Listen(t, "--secret", "whsec_bmV4dC1uZXh0LW5leHQtbmV4dC1uZXh0LW5leHQ=")
	p := webhookd.Run(t, webhookd.IngestConfig("shutdown_timeout: 1s\n",
		"- {name: a, url: '"+url+"', secrets: [whsec_bGFzdC1sYXN0LWxhc3QtbGFzdC1sYXN0LWxhc3Q=], retry: {initial_interval: 10ms}}\n"))
	p.Post("sensors/temperature", 1, 1)
	webhookd.Eventually(t, func() bool {
		return strings.Count(receiver.Stdout(), "refused: signed with another secret, or changed on its way → 401\n") >= 2
	},
		"it is sent again")
	p.TerminateAndExpect(3)
}

func TestListenWithAMalformedSecretIsAUsageErrorThatDoesNotShowIt(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{"topsecret", "whsec_topsecret", "@/no/such/file"} {
		code, _, stderr := webhookd.Command("listen", "--secret", secret)
		require.Equal(t, 2, code)
		require.Contains(t, stderr, "--secret")
		require.NotContains(t, stderr, "topsecret")
	}
}
