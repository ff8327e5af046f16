package network

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
	file *reloading[Token]
}

func newBearerFile(path string, log *slog.Logger) (*bearerFile, error) {
	file := &watchedFile{key: "auth.bearer_file", path: path, maxBytes: maxBearerFileBytes}
	read := func() (*Token, error) {
		text := bytes.TrimRight(file.content, "\r\n")
		switch {
		case len(text) == 0:
			return nil, &config.KeyError{Key: file.key, Err: errors.New("holds no token")}
		case !httpguts.ValidHeaderFieldValue(string(text)):
			return nil, &config.KeyError{Key: file.key, Err: errors.New("holds a character that no header may have, " +
				"as a line break: it has to hold the token and nothing else")}
		}
		return &Token{Authorization: "Bearer " + string(text)}, nil
	}
	reloading, err := newReloading(log, read, file)
	return &bearerFile{reloading}, err
}

func (b *bearerFile) Token(context.Context, time.Time) (*Token, error) {
	b.file.reloadIfDue()
	return b.file.latest(), nil
}

func (b *bearerFile) Replace(context.Context, time.Time, *Token) (*Token, error) {
	if err := b.file.reloadNow(); err != nil {
		return nil, err
	}
	return b.file.latest(), nil
}

func (b *bearerFile) close() {}
