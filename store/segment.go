package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// segmentTimeFormat is the time in the name of a file that does not grow any more, by the clock of that moment.
const segmentTimeFormat = "2006-01-02T15-04-05.000000000"

// Names of files that don't grow any more. Earlier versions gave them no number, but one to those that ended at the same
// time.
var (
	segmentName        = regexp.MustCompile(`^dead-letters-(\d{10})-(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{9})\.jsonl$`)
	earlierSegmentName = regexp.MustCompile(`^dead-letters-(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{9})-size(?:_(\d{1,9}))?\.jsonl$`)
)

// letterSegment is a file that does not grow any more.
type letterSegment struct {
	name   string
	number uint64    // 1 for the first; 0: of an earlier version
	ended  time.Time // when it stopped growing
	nth    int       // of an earlier version, among those that did at the same time
	size   int64
}

func newLetterSegment(number uint64, now time.Time, size int64) letterSegment {
	name := fmt.Sprintf("dead-letters-%010d-%s.jsonl", number, now.UTC().Format(segmentTimeFormat))
	return letterSegment{name: name, number: number, ended: now, size: size}
}

// letterSegmentsIn lists the files in dir that don't grow any more, the oldest first.
func letterSegmentsIn(dir string, now time.Time) ([]letterSegment, error) {
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
		return cmp.Or(cmp.Compare(a.number, b.number), a.ended.Compare(b.ended), cmp.Compare(a.nth, b.nth))
	})
	var latest time.Time
	for i := range segments {
		if segments[i].ended.After(latest) {
			latest = segments[i].ended
		}
		segments[i].ended = monotonic(latest, now) // no file ended before an older one, whatever the clock was then
	}
	return segments, nil
}

// monotonic is a time of the wall clock as a moment that stays as long ago as it is when the clock is set; now where it
// is in the future.
func monotonic(at, now time.Time) time.Time {
	return now.Add(-max(0, now.Sub(at)))
}

func parseSegmentName(name string) (letterSegment, bool) {
	segment := letterSegment{name: name}
	var ended string
	if parts := segmentName.FindStringSubmatch(name); parts != nil {
		segment.number, _ = strconv.ParseUint(parts[1], 10, 64) // ten digits
		ended = parts[2]
	} else if parts := earlierSegmentName.FindStringSubmatch(name); parts != nil {
		ended = parts[1]
		segment.nth, _ = strconv.Atoi(parts[2]) // "" is the first
	}
	var err error
	segment.ended, err = time.Parse(segmentTimeFormat, ended)
	return segment, err == nil
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
