package bolt

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/store"
	"github.com/fluxmq/webhookd/store/storetest"
)

func openKeeper(t testing.TB, dir string) *Keeper {
	t.Helper()
	k, err := Open(dir, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return k
}

func TestKeeper(t *testing.T) {
	storetest.Run(t, func(t *testing.T, dir string) store.Keeper { return openKeeper(t, dir) })
}
