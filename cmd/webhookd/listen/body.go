package listen

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
)

const maxBody = 16 << 20 // as sent, and after decompression

// unreadable is a body that can't be read, and what to answer.
type unreadable struct {
	status int
	reason string
}

func (u *unreadable) Error() string { return u.reason }

// readBody reads a request's body and undoes its Content-Encoding.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, *unreadable) {
	sent := http.MaxBytesReader(w, r.Body, maxBody)
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
		return readAll(sent)
	case "gzip":
		text, err := gzip.NewReader(sent)
		if err != nil {
			return nil, whyUnreadable(err)
		}
		return readAll(http.MaxBytesReader(w, text, maxBody))
	default:
		return nil, &unreadable{http.StatusUnsupportedMediaType, fmt.Sprintf("the content encoding is %.40q, not gzip", encoding)}
	}
}

func readAll(reader io.Reader) ([]byte, *unreadable) {
	body, err := io.ReadAll(reader)
	if err != nil {
		return nil, whyUnreadable(err)
	}
	return body, nil
}

func whyUnreadable(err error) *unreadable {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return &unreadable{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d MiB", maxBody>>20)}
	}
	return &unreadable{http.StatusBadRequest, "the body can't be read: " + err.Error()}
}
