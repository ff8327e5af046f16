package store

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestPagesFollowEachOtherAndTheLastOneSaysSo(t *testing.T) {
	for name, dir := range map[string]string{"files": t.TempDir(), "memory": ""} {
		t.Run(name, func(t *testing.T) {
			letters := openLetters(t, dir)
			keepMany(t, letters, 0, 10)
			all := listAll(t, letters).Letters
			require.Len(t, all, 10)
			for limit := 1; limit <= 11; limit++ {
				var read []*DeadLetterRecord
				query, pages := DeadLetterQuery{Limit: limit}, 0
				for next := "first"; next != ""; pages++ {
					page, err := letters.List(t.Context(), query)
					require.NoError(t, err)
					require.LessOrEqual(t, len(page.Letters), limit)
					read = append(read, page.Letters...)
					if next = page.Next; next != "" {
						query.After = uuid.MustParse(next)
					}
				}
				require.Equal(t, all, read, limit)
				require.Equal(t, (10+limit-1)/limit, pages, "no page is empty")
			}
			for i, letter := range all {
				found, err := letters.Find(t.Context(), letter.ID)
				require.NoError(t, err)
				require.Equal(t, fmt.Sprint(i), found.EventID)
				require.NotEmpty(t, found.Event)
			}
			_, err := letters.Find(t.Context(), uuid.New())
			require.ErrorIs(t, err, ErrNoDeadLetter)
			_, err = letters.List(t.Context(), DeadLetterQuery{Limit: 1, After: uuid.New()})
			require.ErrorIs(t, err, ErrNoDeadLetter)
		})
	}
}
