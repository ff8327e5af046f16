package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/fluxmq/webhookd/store"
)

// replayPause is how long a replay waits for room in the queues of the endpoints before it goes on.
const replayPause = 500 * time.Millisecond

type replayDeadLettersCommand struct {
	adminFlags
	letterChoice
	IDs  []letterID    `arg:"" name:"id" optional:"" help:"These, as list prints them."`
	All  bool          `help:"All that are open; needed where nothing else chooses."`
	Wait time.Duration `default:"1m" help:"How long to wait for endpoints whose queue is full and stays so (${default})."`
	JSON bool          `help:"Print what was done as JSON."`
}

// Validate is called by the command line's parser.
func (r *replayDeadLettersCommand) Validate() error {
	switch {
	case r.isEmpty() && len(r.IDs) == 0 && !r.All:
		return errors.New("say which dead letters to replay, by id or with a flag, or give --all")
	case r.Wait < 0:
		return errors.New("--wait can't be negative")
	}
	return nil
}

// Run replays, and goes on while the endpoints make room.
func (r *replayDeadLettersCommand) Run(c console) error {
	client, err := r.client(c)
	if err != nil {
		return usageError{err}
	}
	ctx, cancel := c.untilSignal()
	defer cancel()
	done, err := r.replay(ctx, client, func(done store.ReplayResult) {
		fmt.Fprintf(c.err, "replayed: %d, waiting for room in the queue of their endpoint: %d\n", done.Accepted, done.Left)
	})
	if err != nil {
		return errors.Join(err, notReplayed(done))
	}
	if err := r.print(c, done); err != nil {
		return err
	}
	return notReplayed(done)
}

// replay asks until nothing is left, or for --wait without progress. It looks at those letters only that were there at the
// beginning, so that it ends where a replayed event is given up again.
func (r *replayDeadLettersCommand) replay(ctx context.Context, client *adminClient, report func(store.ReplayResult)) (store.ReplayResult, error) {
	filter := store.DeadLetterFilter{
		Endpoint: string(r.Endpoint), Type: r.typeText(), Since: r.Since.Time, Until: r.Until.Time, Error: string(r.Error),
	}
	for _, id := range r.IDs {
		filter.IDs = append(filter.IDs, id.UUID)
	}
	var done store.ReplayResult
	for rounds, progress := 0, time.Now(); ; rounds++ {
		var round store.ReplayResult
		if err := client.ask(ctx, http.MethodPost, deadLettersPath+"/replay", nil, filter, &round); err != nil {
			return done, err
		}
		if round.Accepted > 0 {
			progress = time.Now()
		}
		if filter.Until.IsZero() || round.Until.Before(filter.Until) {
			filter.Until = round.Until
		}
		round.Accepted += done.Accepted
		if rounds > 0 {
			round.Replaying = done.Replaying // the others are ours
		}
		done = round
		if done.Left == 0 || time.Since(progress) >= r.Wait {
			return done, nil
		}
		report(done)
		select {
		case <-time.After(replayPause):
		case <-ctx.Done():
			return done, errors.New("stopped")
		}
	}
}

func (r *replayDeadLettersCommand) print(c console, done store.ReplayResult) error {
	if r.JSON {
		return json.NewEncoder(c.out).Encode(done)
	}
	where := ""
	if done.Accepted > 0 {
		where = "; their events wait in the queues of their endpoints, or are delivered"
	}
	_, err := fmt.Fprintf(c.out, "replayed: %d%s\n", done.Accepted, where)
	for _, rest := range []struct {
		what    string
		letters int
	}{
		{"being replayed already", done.Replaying},
		{"left, because the queue of their endpoint is full", done.Left},
		{"left, because their endpoint is not configured any more", done.UnknownEndpoint},
		{"left, because they are larger than the queue of their endpoint (queue_bytes)", done.TooLarge},
		{"left, because their event can't be read", done.Unreadable},
		{"lines of the files that can't be read", done.Skipped},
	} {
		if rest.letters > 0 && err == nil {
			_, err = fmt.Fprintf(c.out, "%s: %d\n", rest.what, rest.letters)
		}
	}
	return err
}

// notReplayed is the error of a replay that left some letters where they are.
func notReplayed(done store.ReplayResult) error {
	left := done.Left + done.UnknownEndpoint + done.TooLarge + done.Unreadable
	if left == 0 {
		return nil
	}
	return fmt.Errorf("dead letters that are not replayed: %d", left)
}
