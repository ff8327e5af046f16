package main

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/router"
)

func TestExitCodeTellsWhatWentWrong(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
		says string
	}{
		{nil, 0, ""},
		{errors.New("no room"), 1, "webhookd: no room\n"},
		{fmt.Errorf("run: %w", usageError{errors.New("no such key")}), 2, "run: no such key\n"},
		{errors.Join(&router.LostError{Events: 7}), 3, (&router.LostError{Events: 7}).Error() + "\n"},
		{errors.Join(usageError{errors.New("no address")}, &router.LostError{Events: 7}), 2, "no address\n" + (&router.LostError{Events: 7}).Error() + "\n"},
	} {
		var said bytes.Buffer
		require.Equal(t, c.code, fail(console{err: &said}, c.err))
		require.Equal(t, c.says, said.String())
	}
}
