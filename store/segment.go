package store

import (
	"cmp"
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// segmentTimeFormat is the time in the name of a file that does not grow any more.
const segmentTimeFormat = "2006-01-02T15-04-05.000000000"

var segmentName = regexp.MustCompile(`^dead-letters-(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{9})-size(?:_(\d{1,9}))?\.jsonl$`)

// letterSegment is a file that does not grow any more.
type letterSegment struct {
	name   string
	ended  time.Time // when it stopped growing
	number int       // among those that did at the same time
	size   int64
}

// letterSegmentsIn lists the files in dir that don't grow any more, the oldest first.
func letterSegmentsIn(dir string) ([]letterSegment, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var segments []letterSegment
	for _, entry := range entries {
		segment, ok := parseSegmentName(entry.Name())
		if !ok {
			continue
		}
		info, err := entry.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		segment.size = info.Size()
		segments = append(segments, segment)
	}
	slices.SortFunc(segments, func(a, b letterSegment) int {
		return cmp.Or(a.ended.Compare(b.ended), cmp.Compare(a.number, b.number))
	})
	return segments, nil
}

func parseSegmentName(name string) (letterSegment, bool) {
	parts := segmentName.FindStringSubmatch(name)
	if parts == nil {
		return letterSegment{}, false
	}
	ended, err := time.Parse(segmentTimeFormat, parts[1])
	number, _ := strconv.Atoi(parts[2]) // "" is the first
	return letterSegment{name: name, ended: ended, number: number}, err == nil
}

// letterFiles are all files as they are at one moment, to be read while the writer goes on.
type letterFiles struct {
	dir     string
	older   []letterSegment
	growing *os.File // nil: somebody took it away
	size    int64    // of the growing file, at that moment
}

func (f *letterFile) files() (*letterFiles, error) {
	growing, err := os.Open(f.path())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return &letterFiles{dir: f.dir, older: slices.Clone(f.older), growing: growing, size: f.size}, nil
}

func (f *letterFiles) close() {
	if f.growing != nil {
		_ = f.growing.Close() // it was only read
	}
}

// lines yields the lines in the order in which they were written, each until the next one; errNoLine for what is none;
// and at most one other error, the last. A file that is deleted meanwhile is left out.
func (f *letterFiles) lines(ctx context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, segment := range f.older {
			file, err := os.Open(filepath.Join(f.dir, segment.name))
			if errors.Is(err, os.ErrNotExist) {
				continue
			}
			if err != nil {
				yield(nil, err)
				return
			}
			more := yieldLines(ctx, file, yield)
			_ = file.Close() // it was only read
			if !more {
				return
			}
		}
		if f.growing != nil {
			yieldLines(ctx, io.NewSectionReader(f.growing, 0, f.size), yield)
		}
	}
}
