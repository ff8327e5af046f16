package network

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/fluxmq/webhookd/config"
)

// settledAfter is the age from which a file's time of change is sure to be another one when the file changes again.
const settledAfter = time.Second

// watchedFile is a file of an endpoint's configuration, as it was when it was read last.
type watchedFile struct {
	key      string // of the configuration
	path     string
	maxBytes int64
	content  []byte
	err      error // a KeyError; why there is no content

	info   os.FileInfo // nil: never read, or unreadable
	readAt time.Time
}

// refresh reads the file, unless it is as it was, and tells whether what came of it is something else.
func (f *watchedFile) refresh() (changed bool) {
	info, err := os.Stat(f.path) // of what a link leads to
	if err == nil && f.isAsItWas(info) {
		return false
	}
	var content []byte
	if err == nil {
		content, err = readBounded(f.path, info, f.maxBytes)
	}
	before, beforeErr := f.content, f.err
	f.content, f.err, f.info, f.readAt = content, nil, info, time.Now()
	if err != nil {
		f.info, f.err = nil, &config.KeyError{Key: f.key, Err: fmt.Errorf("can't be read: %w", err)}
	}
	return !bytes.Equal(before, content) || errorText(beforeErr) != errorText(f.err)
}

func (f *watchedFile) isAsItWas(info os.FileInfo) bool {
	return f.info != nil && os.SameFile(f.info, info) && f.info.Size() == info.Size() &&
		f.info.ModTime().Equal(info.ModTime()) && f.readAt.Sub(info.ModTime()) > settledAfter
}

func readBounded(path string, info os.FileInfo, maxBytes int64) ([]byte, error) {
	if !info.Mode().IsRegular() { // reading it might never end
		return nil, errors.New("it is no regular file")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxBytes+1))
	if err == nil && int64(len(content)) > maxBytes {
		return nil, fmt.Errorf("it has over %d bytes", maxBytes)
	}
	return content, err
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
