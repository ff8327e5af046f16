package config

import (
	"cmp"
	"fmt"
	"slices"

	"gopkg.in/yaml.v3"
)

// maxProblems is how many problems of one file are told.
const maxProblems = 100

// place is where something stands in a file; both numbers count from 1.
type place struct {
	line, column int
}

func placeOf(node *yaml.Node) place {
	return place{node.Line, node.Column}
}

// located returns the problems in the order of the file, each with its place: that of the nearest path above, for a
// key that is missing.
func (d *decoder) located() Errors {
	problems := slices.Clone(d.problems)
	for i := range problems {
		at := d.placeNear(problems[i].Path)
		problems[i].File, problems[i].Line, problems[i].Column = d.file, at.line, at.column
	}
	return problems.Arranged()
}

// Arranged returns the problems in the order of their file, each once; of those after the hundredth only their number.
func (e Errors) Arranged() Errors {
	told := map[Problem]bool{}
	var problems Errors
	for _, problem := range e {
		if !told[problem] {
			told[problem] = true
			problems = append(problems, problem)
		}
	}
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	if more := len(problems) - maxProblems; more > 0 {
		problems = append(problems[:maxProblems], Problem{File: problems[0].File, Message: fmt.Sprintf("and %d problems more", more)})
	}
	return problems
}
