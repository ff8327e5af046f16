package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/fluxmq/webhookd/cmd/webhookd/terminal"
	"github.com/fluxmq/webhookd/store/bolt"
)

type storeVerifyCommand struct{ storeFlags }

const maxProblemColumn = 400

// errDamaged is what verify ends with where it found a problem.
var errDamaged = errors.New("the store is damaged: keep a copy of its folder, and look for what is wrong with the disk; " +
	"run works with it as it is: what can be read goes into a new file, the old one stays beside it, and an event that can't be read is dropped, counted as damaged")

// verified is what verify says of a store.
type verified struct {
	Dir         string   `json:"dir"`
	Pages       int      `json:"pages"`
	Events      int      `json:"events"`
	Held        int      `json:"held"`
	DeadLetters int      `json:"dead_letters"`
	Endpoints   int      `json:"endpoints"`
	Problems    []string `json:"problems"`
}

// Run looks at everything, and tells each problem.
func (v *storeVerifyCommand) Run(c console) error {
	dir, _, err := v.find(c)
	if err != nil {
		return usageError{err}
	}
	found := verified{Dir: dir, Problems: []string{}}
	checked, err := bolt.Verify(dir, func(problem string) {
		found.Problems = append(found.Problems, problem)
		if !v.JSON {
			fmt.Fprintln(c.out, terminal.Shown(problem, maxProblemColumn))
		}
	})
	if err != nil {
		return fmt.Errorf("verify the store: %w", err)
	}
	found.Pages, found.Events, found.Held = checked.Pages, checked.Events, checked.Held
	found.DeadLetters, found.Endpoints = checked.Letters, checked.Endpoints
	if v.JSON {
		err = json.NewEncoder(c.out).Encode(found)
	} else {
		_, err = fmt.Fprintf(c.out, "looked at: %d pages, %d endpoints, %d events, held %d times, and %d dead letters; problems: %d\n",
			found.Pages, found.Endpoints, found.Events, found.Held, found.DeadLetters, len(found.Problems))
	}
	if err == nil && len(found.Problems) > 0 {
		return errDamaged
	}
	return err
}
