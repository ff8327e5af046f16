package network

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLongErrorShowsItsBeginningAndIsWhatItWas(t *testing.T) {
	long := errors.New(strings.Repeat("e", maxErrorBytes+1))
	short := shorten(long)
	require.EqualError(t, short, strings.Repeat("e", maxErrorBytes)+"…")
	require.ErrorIs(t, short, long)
}

func TestHandshakeThatAskedForACertificateSaysSo(t *testing.T) {
	broken := errors.New("remote error: tls: bad certificate")
	err := &uncertifiedError{broken}
	require.EqualError(t, err, "remote error: tls: bad certificate (the endpoint asked for a client certificate)")
	require.ErrorIs(t, err, broken)
}
