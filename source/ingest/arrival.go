package ingest

import (
	"errors"
	"io"
	"net/http"
	"time"
)

const (
	pieceBytes = 16 << 10
	// A piece of a body has pieceTimeout to arrive; while other bodies wait for room only slowPiece.
	pieceTimeout = 5 * time.Second
	slowPiece    = time.Second
	roomPatience = 5 * time.Second // of a body that waits for room
)

// arrival takes the bytes of a body into its share of the room, as they come.
type arrival struct {
	body    io.Reader
	share   *share
	control *http.ResponseController
	piece   time.Duration // pieceTimeout
	end     time.Time     // when the whole of the body has to be there
}

// read returns all of a body of which the sender announced as many bytes, or of up to as many. Each piece has its time, so
// that who trickles holds neither connection nor room; what a body takes grows with what came of it, not with what was
// announced.
func (a *arrival) read(announced int64) ([]byte, error) {
	var text []byte
	defer a.share.awaitNothing()
	for missing := 0; ; {
		if len(text) == cap(text) {
			var err error
			if text, err = a.grow(text, announced+1); err != nil { // one more, to see the end
				return nil, err
			}
			missing = 0
		}
		if missing <= 0 {
			if err := a.awaitPiece(); err != nil {
				return nil, err
			}
			missing = pieceBytes
		}
		n, err := a.body.Read(text[len(text):cap(text)])
		text, missing = text[:len(text)+n], missing-n
		if errors.Is(err, io.EOF) {
			return text, a.control.SetReadDeadline(a.end)
		}
		if err != nil {
			return nil, err
		}
	}
}

func (a *arrival) awaitPiece() error {
	deadline := time.Now().Add(a.piece)
	if a.end.Before(deadline) {
		deadline = a.end
	}
	a.share.awaitPiece()
	return a.control.SetReadDeadline(deadline)
}

// grow doubles the text's room, up to most bytes. The sender is not to blame for the wait.
func (a *arrival) grow(text []byte, most int64) ([]byte, error) {
	size := min(max(2*int64(cap(text)), pieceBytes), most)
	a.share.awaitNothing()
	if err := a.share.take(size); err != nil {
		return nil, err
	}
	grown := append(make([]byte, 0, size), text...)
	a.share.giveBack(int64(cap(text)))
	return grown, nil
}
