package store

import (
	"context"
	"fmt"
	"iter"

	"github.com/google/uuid"
)

// pageOfLetters is how many letters are looked at together.
const pageOfLetters = 500

// pages yields all letters that the filter chooses, the oldest first; an error is the last.
func pages(ctx context.Context, letters Letters, filter DeadLetterFilter) iter.Seq2[DeadLetterPage, error] {
	query := DeadLetterQuery{DeadLetterFilter: filter, Limit: pageOfLetters}
	return func(yield func(DeadLetterPage, error) bool) {
		for {
			page, err := letters.List(ctx, query)
			if !yield(page, err) || err != nil || page.Next == "" {
				return
			}
			if query.After, err = uuid.Parse(page.Next); err != nil {
				yield(DeadLetterPage{}, fmt.Errorf("go on after a page: %w", err))
				return
			}
		}
	}
}
