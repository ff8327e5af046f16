package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
)

// withStore is the folder of a store that holds nothing any more, and has so many dead letters of endpoint a.
func withStore(t *testing.T, letters int, event string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "kept")
	s := withLetters(t, letters, event, func(cfg *config.Config) {
		cfg.Store.Dir = config.Path(dir)
	})
	require.NoError(t, s.Stop(context.Background()))
	return dir
}

func TestStoreInfoTellsTheAccountOfEachEndpoint(t *testing.T) {
	dir := withStore(t, 3, smallEvent)
	code, stdout, stderr := executed("store", "info", dir, "--json")
	require.Zero(t, code, stderr)
	require.NotContains(t, stdout, "since", "nothing is held")
	var info keptInfo
	require.NoError(t, json.Unmarshal([]byte(stdout), &info))
	require.Equal(t, dir, info.Dir)
	require.Equal(t, uint32(1), info.Format)
	require.Equal(t, 3, info.DeadLetters.Events)
	require.Positive(t, info.DeadLetters.Bytes)
	require.Equal(t, 3, info.Events)
	stat, err := os.Stat(filepath.Join(dir, "webhookd.db"))
	require.NoError(t, err)
	require.Equal(t, stat.Size(), info.FileBytes)
	require.Len(t, info.Endpoints, 1)
	a := info.Endpoints[0]
	require.Equal(t, "a", a.Name)
	require.False(t, a.Absent)
	require.Equal(t, uint64(3), a.Accepted)
	require.Equal(t, map[string]uint64{"rejected": 3}, a.DeadLettered)
	require.Equal(t, a.Accepted, a.Ended()+uint64(a.Held.Events))

	code, stdout, stderr = executed("store", "info", dir)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "dead letters  3 of ")
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	require.Equal(t, []string{"ENDPOINT", "HELD", "BYTES", "SINCE", "ACCEPTED", "DELIVERED", "DROPPED", "DEAD-LETTERED"}, strings.Fields(lines[len(lines)-2]))
	require.Equal(t, []string{"a", "0", "0", "B", "-", "3", "0", "0", "3", "(rejected", "3)"}, strings.Fields(lines[len(lines)-1]))
}

func TestStoreInfoWithAConfigurationSaysWhichEndpointsAreAbsent(t *testing.T) {
	dir := withStore(t, 1, smallEvent)
	file := filepath.Join(t.TempDir(), "webhookd.yml")
	for name, absent := range map[string]bool{"a": false, "b": true} {
		text := "webhook: {endpoints: [{name: " + name + ", url: 'http://a.test'}]}\nstore: {dir: '" + dir + "'}\n"
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		code, stdout, stderr := executed("store", "info", "--config", file, "--json")
		require.Zero(t, code, stderr)
		require.Equal(t, absent, strings.Contains(stdout, `"absent":true`))
		_, stdout, _ = executed("store", "info", "--config", file)
		require.Equal(t, absent, strings.Contains(stdout, "a (absent)"))
	}
}

func TestStoreVerifyFindsADamagedRecordAndSaysWhatToDo(t *testing.T) {
	dir := withStore(t, 3, strings.Replace(smallEvent, `"topic":"t"`, `"topic":"here-it-is"`, 1))
	code, stdout, stderr := executed("store", "verify", dir)
	require.Zero(t, code, stderr)
	require.Regexp(t, `^looked at: \d+ pages, 1 endpoints, 3 events, held 0 times, and 3 dead letters; problems: 0\n$`, stdout)

	path := filepath.Join(dir, "webhookd.db")
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(file), "here-it-is", "here-it-iz", -1)), 0o600))
	code, stdout, stderr = executed("store", "verify", dir)
	require.Equal(t, exitError, code)
	require.Contains(t, stdout, "problems: 3\n")
	require.Contains(t, stderr, "keep a copy of its folder")
	code, stdout, stderr = executed("store", "verify", dir, "--json")
	require.Equal(t, exitError, code)
	require.Contains(t, stderr, "keep a copy of its folder")
	var found verified
	require.NoError(t, json.Unmarshal([]byte(stdout), &found))
	require.Len(t, found.Problems, 3)
	require.Equal(t, 3, found.DeadLetters)
}

func TestStoreCompactSaysWhatItGaveBack(t *testing.T) {
	dir := withStore(t, 200, strings.Replace(smallEvent, `"topic":"t"`, `"topic":"`+strings.Repeat("t", 10_000)+`"`, 1))
	s := withLetters(t, 0, "", func(cfg *config.Config) { cfg.Store.Dir = config.Path(dir) })
	code, _, stderr := deadLetters(s, "delete", "--all")
	require.Zero(t, code, stderr)
	require.NoError(t, s.Stop(context.Background()))

	code, stdout, stderr := executed("store", "compact", dir, "--json")
	require.Zero(t, code, stderr)
	var done compacted
	require.NoError(t, json.Unmarshal([]byte(stdout), &done))
	require.Greater(t, done.BytesBefore, int64(1<<20))
	require.Less(t, done.Bytes, done.BytesBefore/2)
	stat, err := os.Stat(filepath.Join(dir, "webhookd.db"))
	require.NoError(t, err)
	require.Equal(t, stat.Size(), done.Bytes)
	code, stdout, stderr = executed("store", "compact", dir)
	require.Zero(t, code, stderr)
	require.Regexp(t, `^given back: 0 B of [\d.]+ [KM]iB\n$`, stdout)
}

func TestStoreThatCanNotBeLookedAtIsToldInAWord(t *testing.T) {
	file := filepath.Join(t.TempDir(), "webhookd.yml")
	require.NoError(t, os.WriteFile(file, []byte("webhook: {endpoints: [{name: a, url: 'http://a.test'}]}\n"), 0o600))
	missing := filepath.Join(t.TempDir(), "missing")
	for _, subcommand := range []string{"info", "verify", "compact"} {
		for _, c := range []struct {
			args []string
			code int
			says string
		}{
			{nil, exitUsage, "DIR or --config=FILE"},
			{[]string{missing, "--config", file}, exitUsage, "can't be used together"},
			{[]string{"--config", file}, exitUsage, "has no store.dir"},
			{[]string{"--config", missing}, exitUsage, missing},
			{[]string{missing}, exitError, missing + " holds no store"},
		} {
			code, stdout, stderr := executed(append([]string{"store", subcommand}, c.args...)...)
			require.Equal(t, c.code, code, stderr)
			require.Empty(t, stdout)
			require.Contains(t, stderr, c.says)
		}
	}
	require.NoDirExists(t, missing)
}

func TestStoreInUseIsLeftAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "used")
	withLetters(t, 0, "", func(cfg *config.Config) { cfg.Store.Dir = config.Path(dir) })
	for _, subcommand := range []string{"info", "verify", "compact"} {
		code, _, stderr := executed("store", subcommand, dir)
		require.Equal(t, exitError, code)
		require.Contains(t, stderr, "the store in "+dir+" is used by another process")
	}
}

func TestShownBytesAreShort(t *testing.T) {
	for bytes, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 10_189: "10 KiB", 1<<20 - 1: "1.0 MiB", 1 << 20: "1.0 MiB", 16 << 30: "16 GiB", 1 << 62: "4.0 EiB",
	} {
		require.Equal(t, want, shownBytes(bytes), bytes)
	}
}
