package store

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"time"
)

// errNoLine stands in place of a line that is too long or has no end.
var errNoLine = errors.New("a line that is too long or torn")

// lineReader reads lines of a bounded length.
type lineReader struct {
	from  *bufio.Reader
	limit int
	long  []byte // a line that is longer than the buffer of from
}

func newLineReader(from io.Reader, limit int) *lineReader {
	return &lineReader{from: bufio.NewReaderSize(from, 64<<10), limit: limit}
}

// next returns a line without its end, which is valid until the next call. Its errors are errNoLine, after which it goes
// on with the following line, io.EOF, and those of the reader.
func (r *lineReader) next() ([]byte, error) {
	line, err := r.from.ReadSlice('\n')
	if err == nil {
		return r.whole(line)
	}
	r.long = r.long[:0]
	for length := len(line); ; length += len(line) {
		if length <= r.limit+1 {
			r.long = append(r.long, line...)
		}
		switch {
		case err == nil && length <= r.limit+1:
			return r.whole(r.long)
		case err == nil, errors.Is(err, io.EOF) && length > 0:
			return nil, errNoLine
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
		line, err = r.from.ReadSlice('\n')
	}
}

func (r *lineReader) whole(line []byte) ([]byte, error) {
	line = bytes.TrimSuffix(line, []byte("\n"))
	if len(line) > r.limit {
		return nil, errNoLine
	}
	return line, nil
}

// yieldLines yields what letterFiles.lines does, of one file, and is false where it must end.
func yieldLines(ctx context.Context, from io.Reader, yield func([]byte, error) bool) bool {
	lines := newLineReader(from, maxDeadLetterLine)
	for {
		line, err := lines.next()
		switch {
		case errors.Is(err, io.EOF):
			return true
		case ctx.Err() != nil:
			err = context.Cause(ctx)
		case err == nil && len(line) == 0: // ended a torn one
			continue
		}
		if !yield(line, err) || err != nil && !errors.Is(err, errNoLine) {
			return false
		}
	}
}

// countLetters is the number of dead letters in a file.
func countLetters(path string) (letters uint64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	yieldLines(context.Background(), file, func(line []byte, lineErr error) bool {
		switch {
		case lineErr == nil && !isReplayEnd(line):
			letters++
		case lineErr != nil && !errors.Is(lineErr, errNoLine):
			err = lineErr
		}
		return true
	})
	return letters, err
}

// timeOfFirstLine is when the first dead letter in a file was given up; now where it can't be read.
func timeOfFirstLine(file io.Reader, now time.Time) time.Time {
	line, err := newLineReader(file, maxDeadLetterLine).next()
	if err != nil {
		return now
	}
	var stamped struct {
		Time time.Time `json:"time"`
	}
	if json.Unmarshal(line, &stamped) != nil || stamped.Time.IsZero() {
		return now
	}
	return monotonic(stamped.Time, now)
}

// encodeLine is the line of a *DeadLetter or a ReplayEnd, with its end.
func encodeLine(letter any) ([]byte, error) {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(letter)
	return line.Bytes(), err
}
