package httpserver

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBearerTokenIsChecked(t *testing.T) {
	const challenge = `Bearer realm="webhookd"`
	missing := &BearerRefusal{http.StatusUnauthorized, challenge, "a bearer token is required"}
	wrong := &BearerRefusal{http.StatusUnauthorized, challenge + `, error="invalid_token"`, "the bearer token is wrong"}
	twice := &BearerRefusal{http.StatusBadRequest, "", "the header Authorization is there twice"}
	for _, c := range []struct {
		given   []string
		refused *BearerRefusal
	}{
		{[]string{"Bearer s3cret"}, nil},
		{[]string{"bEARER   s3cret"}, nil},
		{nil, missing},
		{[]string{""}, missing},
		{[]string{"s3cret"}, missing},
		{[]string{"Basic s3cret"}, missing},
		{[]string{"Bearers3cret"}, missing},
		{[]string{"Bearer"}, wrong},
		{[]string{"Bearer S3cret"}, wrong},
		{[]string{"Bearer s3cret "}, wrong},
		{[]string{"Bearer s3cre"}, wrong},
		{[]string{"Bearer s3cret", "Bearer s3cret"}, twice},
	} {
		refused := NewBearer("s3cret").Check(&http.Request{Header: http.Header{"Authorization": c.given}})
		require.Equal(t, c.refused, refused, "%q", c.given)
	}
	require.Nil(t, NewBearer(""))
}
