package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
)

func TestSizesAreRead(t *testing.T) {
	for text, want := range map[string]config.ByteSize{
		"0": 0, "1": 1, "1024": 1024, "7B": 7, "1KB": 1000, "1KiB": 1024, "64MiB": 64 << 20, "64 MiB": 64 << 20,
		"2GB": 2e9, "2GiB": 2 << 30, "4611686018427387903": 1<<62 - 1,
	} {
		got, err := config.ParseByteSize(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
}

func TestOtherTextsAreNoSizes(t *testing.T) {
	for _, text := range []string{
		"", "MiB", "-1", "-1MiB", "1.5MiB", "1mib", "1M", "1MiBs", "4611686018427387904", "4294967297GiB", "64MiB ", "0x10",
	} {
		_, err := config.ParseByteSize(text)
		require.Error(t, err, text)
	}
}

func FuzzSizeIsWrittenAsItIsRead(f *testing.F) {
	for _, seed := range []string{"0", "1", "64MiB", "1000KB", "1GiB", "4294967296GiB", "-1", "99999999999999999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		size, err := config.ParseByteSize(text)
		if err != nil {
			return
		}
		require.GreaterOrEqual(t, size, config.ByteSize(0))
		again, err := config.ParseByteSize(size.String())
		require.NoError(t, err)
		require.Equal(t, size, again)
	})
}
