package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/fluxmq/webhookd/cmd/webhookd/terminal"
	"github.com/fluxmq/webhookd/store"
)

const (
	deadLettersPath = "/v1/dead-letters"
	lettersPage     = 250
	maxErrorColumn  = 100
)

type listDeadLettersCommand struct {
	adminFlags
	letterChoice
	After letterID `placeholder:"ID" help:"Begin after this one."`
	Limit int      `default:"100" help:"How many at most (${default})."`
	JSON  bool     `help:"Print each as a line of JSON."`
}

// Validate is called by the command line's parser.
func (l *listDeadLettersCommand) Validate() error {
	if l.Limit < 1 {
		return fmt.Errorf("--limit is %d, less than 1", l.Limit)
	}
	return nil
}

// Run prints dead letters page by page.
func (l *listDeadLettersCommand) Run(c console) error {
	client, err := l.client(c)
	if err != nil {
		return usageError{err}
	}
	ctx, cancel := c.untilSignal()
	defer cancel()
	query := l.query()
	if l.After != (letterID{}) {
		query.Set("after", l.After.String())
	}
	printer := l.printer(c.out)
	for left := l.Limit; left > 0; {
		query.Set("limit", strconv.Itoa(min(left, lettersPage)))
		var page store.DeadLetterPage
		if err := client.ask(ctx, http.MethodGet, deadLettersPath, query, nil, &page); err != nil {
			return err
		}
		if err := printer.print(page.Letters); err != nil {
			return err
		}
		left -= len(page.Letters)
		l.conclude(c.err, page, left)
		if page.Next == "" {
			break
		}
		query.Set("after", page.Next)
	}
	return nil
}

func (l *listDeadLettersCommand) conclude(out io.Writer, page store.DeadLetterPage, left int) {
	if page.Next != "" && left == 0 {
		fmt.Fprintf(out, "there are more: --after %s lists them\n", terminal.Shown(page.Next, maxErrorColumn))
	}
	if page.Skipped > 0 {
		fmt.Fprintf(out, "dead letters that can't be read: %d\n", page.Skipped)
	}
}

// letterPrinter prints dead letters as a table, or as lines of JSON.
type letterPrinter struct {
	out   io.Writer
	table *tabwriter.Writer // nil: JSON
	begun bool
}

func (l *listDeadLettersCommand) printer(out io.Writer) *letterPrinter {
	if l.JSON {
		return &letterPrinter{out: out}
	}
	return &letterPrinter{out: out, table: tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)}
}

func (p *letterPrinter) print(letters []*store.DeadLetterRecord) error {
	if p.table == nil {
		return p.printLines(letters)
	}
	if !p.begun {
		p.begun = true
		fmt.Fprintln(p.table, "TIME\tENDPOINT\tTYPE\tREASON\tATTEMPTS\tERROR\tID")
	}
	for _, letter := range letters {
		fmt.Fprintf(p.table, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", letter.Time.UTC().Format(time.RFC3339),
			terminal.Shown(letter.Endpoint, maxErrorColumn), terminal.Shown(letter.EventType, maxErrorColumn), terminal.Shown(letter.Reason, maxErrorColumn),
			letter.Attempts, orDash(terminal.Shown(errorOf(letter), maxErrorColumn)), letter.ID)
	}
	return p.table.Flush()
}

// errorOf is why the endpoint did not get the event, in its own words where it had some.
func errorOf(letter *store.DeadLetterRecord) string {
	return strings.Trim(letter.LastError+": "+letter.LastAnswer, ": ")
}

func (p *letterPrinter) printLines(letters []*store.DeadLetterRecord) error {
	for _, letter := range letters {
		text, err := json.Marshal(letter)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(p.out, terminal.JSON(text)); err != nil {
			return err
		}
	}
	return nil
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
