package store

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// DeleteResult is what one Delete did.
type DeleteResult struct {
	Chosen  int       `json:"chosen"`            // letters that the filter chose
	Deleted int       `json:"deleted"`           // of them; 0 in a dry run
	Skipped int       `json:"skipped,omitempty"` // letters that can't be read, of those looked at
	Until   time.Time `json:"until"`             // letters given up then or later were not looked at
}

// Delete deletes the letters that the filter chooses and that were given up before it began; in a dry run it counts them.
// Its errors are those of Letters.List, and come with what was done so far.
func Delete(ctx context.Context, letters Letters, filter DeadLetterFilter, dryRun bool) (DeleteResult, error) {
	filter = filter.before(time.Now())
	result := DeleteResult{Until: filter.Until}
	for page, err := range pages(ctx, letters, filter) {
		if err != nil {
			return result, err
		}
		result.Chosen += len(page.Letters)
		result.Skipped += page.Skipped
		if dryRun {
			continue
		}
		deleted, err := letters.Delete(ctx, idsOf(page.Letters))
		result.Deleted += deleted
		if err != nil {
			return result, err
		}
	}
	return result, nil
}

func idsOf(letters []*DeadLetterRecord) []uuid.UUID {
	ids := make([]uuid.UUID, len(letters))
	for i, letter := range letters {
		ids[i] = letter.ID
	}
	return ids
}
