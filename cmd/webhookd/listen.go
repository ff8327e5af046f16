package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	maxListenBody  = 16 << 20
	maxListenPrint = 400 // bytes of a body that a line shows
)

type listenCommand struct {
	Address    string        `default:"127.0.0.1:8888" help:"Where to listen; port 0 takes a free one (${default})."`
	Status     int           `default:"200" help:"What to answer (${default})."`
	Every      int           `default:"1" help:"Answer --status to every n-th request only, and 200 to the others."`
	RetryAfter time.Duration `help:"Send Retry-After with an answer that is not 200."`
	Delay      time.Duration `help:"Wait before answering."`
	Hang       bool          `help:"Never answer."`
	Full       bool          `help:"Print bodies whole."`
}

// Validate is called by the command line's parser.
func (l *listenCommand) Validate() error {
	switch {
	case l.Status < 200 || l.Status > 599:
		return fmt.Errorf("--status is %d, not 200 to 599", l.Status)
	case l.Every < 1:
		return fmt.Errorf("--every is %d, less than 1", l.Every)
	case l.Delay < 0 || l.RetryAfter < 0:
		return fmt.Errorf("--delay and --retry-after can't be negative")
	}
	return nil
}

// Run receives until a signal comes.
func (l *listenCommand) Run(c console) error {
	listener, err := net.Listen("tcp", l.Address)
	if err != nil {
		return fmt.Errorf("listen for webhooks: %w", err)
	}
	fmt.Fprintf(c.out, "listening on http://%s (Ctrl-C stops)\n", listener.Addr())
	requests, cancel := context.WithCancel(context.Background())
	server := &http.Server{
		Handler:           &webhookPrinter{listenCommand: l, out: c.out},
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return requests },
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err = <-served:
		cancel()
		return fmt.Errorf("receive webhooks: %w", err)
	case <-c.signals:
	}
	cancel() // lets requests go that hang
	if err := server.Shutdown(context.Background()); err != nil {
		return fmt.Errorf("stop listening: %w", err)
	}
	<-served
	return nil
}

// webhookPrinter prints a line for each request, and answers as it is told.
type webhookPrinter struct {
	*listenCommand
	mu       sync.Mutex
	out      io.Writer
	requests int
}

func (p *webhookPrinter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxListenBody))
	if err != nil {
		p.print(r, fmt.Sprintf("unreadable: %v", err), http.StatusRequestEntityTooLarge)
		http.Error(w, "the body is too large", http.StatusRequestEntityTooLarge)
		return
	}
	status := p.answer()
	p.print(r, p.shown(body), status)
	select {
	case <-p.patience():
	case <-r.Context().Done():
		panic(http.ErrAbortHandler) // no answer at all
	}
	if status != http.StatusOK && p.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(p.RetryAfter.Seconds()+0.5)))
	}
	w.WriteHeader(status)
}

// patience ends when it is time to answer: never with --hang.
func (p *webhookPrinter) patience() <-chan time.Time {
	if p.Hang {
		return nil
	}
	return time.After(p.Delay)
}

func (p *webhookPrinter) answer() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests++
	if p.requests%p.Every == 0 {
		return p.Status
	}
	return http.StatusOK
}

func (p *webhookPrinter) print(r *http.Request, what string, status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	answer := strconv.Itoa(status)
	if p.Hang {
		answer = "no answer"
	}
	fmt.Fprintf(p.out, "%s %s %s → %s\n", time.Now().Format("15:04:05.000"), r.Method, what, answer)
}

// shown is a body in one line that can't do anything to a terminal.
func (p *webhookPrinter) shown(body []byte) string {
	var compact bytes.Buffer
	text := string(body)
	if err := json.Compact(&compact, body); err == nil {
		text = compact.String()
	}
	if !isPrintable(text) {
		text = strconv.QuoteToGraphic(text)
	}
	if !p.Full && len(text) > maxListenPrint {
		text = strings.ToValidUTF8(text[:maxListenPrint], "") + "…"
	}
	return text
}

func isPrintable(text string) bool {
	for _, r := range text {
		if !strconv.IsPrint(r) {
			return false
		}
	}
	return true
}
