package httpclient

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/fluxmq/webhookd/config"
)

const maxBearerFileBytes = 64 << 10

// bearerFile is a token that somebody else puts into a file, and renews there.
type bearerFile struct {
	file *reloading[token]
}

func newBearerFile(path string, log *slog.Logger) (*bearerFile, error) {
	file := &watchedFile{key: "auth.bearer_file", path: path, maxBytes: maxBearerFileBytes}
	read := func() (*token, error) {
		text := bytes.TrimRight(file.content, "\r\n")
		switch {
		case len(text) == 0:
			return nil, &config.KeyError{Key: file.key, Err: errors.New("holds no token")}
		case !httpguts.ValidHeaderFieldValue(string(text)):
			return nil, &config.KeyError{Key: file.key, Err: errors.New("holds a character that no header may have, " +
				"as a line break: it has to hold the token and nothing else")}
		}
		return &token{authorization: "Bearer " + string(text)}, nil
	}
	reloading, err := newReloading(log, read, file)
	return &bearerFile{reloading}, err
}

func (b *bearerFile) token(context.Context, time.Time) (*token, error) {
	b.file.look()
	return b.file.latest(), nil
}

func (b *bearerFile) replace(context.Context, time.Time, *token) (*token, error) {
	b.file.lookNow()
	return b.file.latest(), nil
}

func (b *bearerFile) close() {}
