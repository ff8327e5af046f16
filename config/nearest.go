package config

import (
	"fmt"
	"slices"
	"strings"
)

// minPartBytes is the shortest part of a candidate that tells which one is meant.
const minPartBytes = 4

// suggestion is ` (did you mean "x"?)` for the candidate x that is nearest to the word, and "" where none is near
// enough to be meant: a third of the word may be wrong, or the word may be a part of the candidate.
func suggestion(word string, candidates []string) string {
	if len(word) > maxShownBytes {
		return ""
	}
	nearest, distance := "", max(1, len(word)/3)+1
	for _, candidate := range candidates {
		if d := editDistance(strings.ToLower(word), strings.ToLower(candidate)); d < distance {
			nearest, distance = candidate, d
		}
	}
	if part := slices.IndexFunc(candidates, func(c string) bool { return strings.Contains(c, word) }); nearest == "" &&
		part >= 0 && len(word) >= minPartBytes {
		nearest = candidates[part]
	}
	if nearest == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", nearest)
}

// editDistance counts the bytes to insert, delete, replace, or swap with their neighbour, to turn a into b (the
// optimal string alignment distance).
func editDistance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replaced := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			rows[i][j] = min(replaced, rows[i-1][j]+1, rows[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
