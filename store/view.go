package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"

	"github.com/google/uuid"

	"github.com/fluxmq/webhookd/messages"
)

// maxReads is how many may list or look for dead letters at one time; others wait.
const maxReads = 2

// List finds the dead letters that the query chooses. Its errors are ctx's; messages.ErrClosed after Close;
// ErrNoDeadLetter where the one to begin after is not kept any more; and those of reading the files.
func (l *DeadLetters) List(ctx context.Context, query DeadLetterQuery) (DeadLetterPage, error) {
	page := DeadLetterPage{Letters: []*DeadLetterRecord{}}
	view, err := l.view(ctx, l.reads)
	if err != nil {
		return page, err
	}
	defer view.close()
	begun := query.After == uuid.Nil
	for letter, err := range view.letters {
		if err != nil {
			return page, err
		}
		if !begun {
			begun = letter.id == query.After
			continue
		}
		if !query.Replayed.Match(letter.replayed != nil) || !query.MatchID(letter.id) {
			continue
		}
		record, err := letter.record(false)
		if err != nil {
			view.skipped++
			continue
		}
		if !query.Match(record) {
			continue
		}
		if len(page.Letters) == query.Limit {
			page.Next = page.Letters[query.Limit-1].ID.String()
			break
		}
		page.Letters = append(page.Letters, record)
	}
	page.Skipped = view.skipped
	if !begun {
		return page, fmt.Errorf("begin after %s: %w", query.After, ErrNoDeadLetter)
	}
	return page, nil
}

// Find returns one dead letter with its event. Its errors are List's.
func (l *DeadLetters) Find(ctx context.Context, id uuid.UUID) (*DeadLetterRecord, error) {
	view, err := l.view(ctx, l.reads)
	if err != nil {
		return nil, err
	}
	defer view.close()
	for letter, err := range view.letters {
		if err != nil {
			return nil, err
		}
		if letter.id == id {
			return letter.record(true)
		}
	}
	return nil, ErrNoDeadLetter
}

// letterView is all dead letters as they are at one moment.
type letterView struct {
	ctx       context.Context
	end       func()
	replaying map[uuid.UUID]struct{}
	replayed  map[uuid.UUID]Replayed

	memory  []*DeadLetter
	files   *letterFiles // nil: memory only
	skipped int          // lines that can't be read, so far
}

// storedLetter is a dead letter where it is kept, of which no more is read than was asked for.
type storedLetter struct {
	id        uuid.UUID
	replaying bool
	replayed  *Replayed // nil: open

	letter *DeadLetter // in memory, or
	line   []byte      // in a file
}

func (s *storedLetter) record(withEvent bool) (*DeadLetterRecord, error) {
	record, err := s.read(withEvent)
	if err != nil {
		return nil, err
	}
	record.Replaying, record.Replayed = s.replaying, s.replayed
	return record, nil
}

func (s *storedLetter) read(withEvent bool) (*DeadLetterRecord, error) {
	if s.letter != nil {
		return s.letter.Record(withEvent), nil
	}
	return parseDeadLetter(s.line, withEvent)
}

// view takes note first of what is being replayed, and then of the files: what has its fate by then has its end there.
func (l *DeadLetters) view(ctx context.Context, places chan struct{}) (*letterView, error) {
	ctx, end, err := l.begin(ctx, places)
	if err != nil {
		return nil, err
	}
	view := &letterView{ctx: ctx, end: end, replaying: l.replays.inProgress()}
	if err := l.fill(view); err != nil {
		view.close()
		return nil, fmt.Errorf("read the dead letters: %w", err)
	}
	return view, nil
}

func (l *DeadLetters) fill(view *letterView) error {
	if err := l.snapshot(view); err != nil || view.files == nil {
		return err
	}
	return view.readReplayEnds()
}

func (l *DeadLetters) snapshot(view *letterView) (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed.Err() != nil {
		return messages.ErrClosed // what is in memory then is not all
	}
	view.replayed = l.replays.unrecorded()
	if l.file == nil {
		view.memory = l.latest.Items()
		maps.Copy(view.replayed, l.replayed)
		return nil
	}
	view.files, err = l.file.files()
	return err
}

func (v *letterView) close() {
	if v.files != nil {
		v.files.close()
	}
	v.end()
}

// readReplayEnds goes through the files once for the ends of replays alone, because they come after their letters.
func (v *letterView) readReplayEnds() error {
	for line, err := range v.files.lines(v.ctx) {
		switch {
		case errors.Is(err, errNoLine):
			continue
		case err != nil:
			return err
		case !isReplayEnd(line):
			continue
		}
		if end, err := parseReplayEnd(line); err == nil {
			v.replayed[end.ID] = end.Replayed
		} else {
			v.skipped++
		}
	}
	return nil
}

// letters yields the letters in the order in which they were kept, each until the next one; an error is the last.
func (v *letterView) letters(yield func(*storedLetter, error) bool) {
	for letter, err := range v.stored() {
		if err == nil {
			_, letter.replaying = v.replaying[letter.id]
			if replayed, ok := v.replayed[letter.id]; ok {
				letter.replayed, letter.replaying = &replayed, false
			}
		}
		if !yield(letter, err) {
			return
		}
	}
}

func (v *letterView) stored() iter.Seq2[*storedLetter, error] {
	if v.files != nil {
		return v.inFiles
	}
	return v.inMemory
}

func (v *letterView) inMemory(yield func(*storedLetter, error) bool) {
	for _, letter := range v.memory {
		if err := context.Cause(v.ctx); err != nil {
			yield(nil, err)
			return
		}
		if !yield(&storedLetter{id: letter.ID, letter: letter}, nil) {
			return
		}
	}
}

func (v *letterView) inFiles(yield func(*storedLetter, error) bool) {
	for line, err := range v.files.lines(v.ctx) {
		if err != nil && !errors.Is(err, errNoLine) {
			yield(nil, fmt.Errorf("read the dead letters: %w", err))
			return
		}
		if err == nil && isReplayEnd(line) {
			continue
		}
		var id uuid.UUID
		if err == nil {
			id, err = deadLetterID(line)
		}
		if err != nil {
			v.skipped++
			continue
		}
		if !yield(&storedLetter{id: id, line: line}, nil) {
			return
		}
	}
}
