package messages

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestClassOfATypeFollowsItsName(t *testing.T) {
	groups := map[string]Class{
		"message": ClassMessage, "client": ClassClient, "subscription": ClassClient, "auth": ClassAuth, "authz": ClassAuth,
	}
	for _, eventType := range Types() {
		group, _, _ := strings.Cut(eventType.String(), ".")
		require.Contains(t, groups, group)
		require.Equal(t, groups[group], eventType.Class(), eventType)
	}
}
