// Package listen receives webhooks and prints them; it fails, delays or hangs on demand.
package listen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"
)

// Options are the flags of the command, and say what each does.
type Options struct {
	Address    string        `default:"127.0.0.1:8888" help:"Where to listen; port 0 takes a free one (${default})."`
	Status     int           `default:"200" help:"What to answer (${default})."`
	Every      int           `default:"1" help:"Answer --status to every n-th request only, and 200 to the others."`
	RetryAfter time.Duration `help:"Send Retry-After with an answer that is not 200."`
	Delay      time.Duration `help:"Wait before answering."`
	Hang       bool          `help:"Never answer."`
	Full       bool          `help:"Print bodies whole."`
	Secrets    []string      `name:"secret" sep:"none" placeholder:"SECRET" help:"Answer 401 to what is not signed with this secret (whsec_…, or @FILE that holds it); with several, one must match."`
}

// Validate is called by the command line's parser.
func (l *Options) Validate() error {
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

// Receiver prints what arrives, and answers as it is told.
type Receiver struct {
	Options
	verifier verifier
	mu       sync.Mutex
	out      io.Writer
	requests int
}

// New makes a receiver that prints to out. It fails for a secret that is none.
func New(options Options, out io.Writer) (*Receiver, error) {
	verifier, err := newVerifier(options.Secrets)
	if err != nil {
		return nil, err
	}
	return &Receiver{Options: options, verifier: verifier, out: out}, nil
}

// Run receives until a signal comes.
func (p *Receiver) Run(signals <-chan os.Signal) error {
	listener, err := net.Listen("tcp", p.Address)
	if err != nil {
		return fmt.Errorf("listen for webhooks: %w", err)
	}
	fmt.Fprintf(p.out, "listening on http://%s (Ctrl-C stops)\n", listener.Addr())
	requests, cancel := context.WithCancel(context.Background())
	server := &http.Server{
		Handler:           p,
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return requests },
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err = <-served:
		cancel()
		return fmt.Errorf("receive webhooks: %w", err)
	case <-signals:
	}
	cancel() // lets requests go that hang
	if err := server.Shutdown(context.Background()); err != nil {
		return fmt.Errorf("stop listening: %w", err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("receive webhooks: %w", err)
	}
	return nil
}

func (p *Receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, unreadable := readBody(w, r)
	if unreadable != nil {
		p.refuse(w, r, unreadable, unreadable.status)
		return
	}
	var signature string
	if len(p.verifier) > 0 {
		if err := p.verifier.verify(body, r.Header); err != nil {
			p.refuse(w, r, err, http.StatusUnauthorized)
			return
		}
		signature = "signature ok "
	}
	status := p.answer()
	what, items := p.described(r.Header.Get("Content-Type"), body)
	if p.Hang {
		p.print(r, signature+what, "no answer", items)
	}
	select {
	case <-p.patience():
	case <-r.Context().Done():
		if !p.Hang {
			p.print(r, signature+what, "no answer: the sender left", items)
		}
		panic(http.ErrAbortHandler) // no answer at all
	}
	p.print(r, signature+what, strconv.Itoa(status), items)
	if status != http.StatusOK && p.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(p.RetryAfter.Seconds()))))
	}
	w.WriteHeader(status)
}

// patience ends when it is time to answer: never with --hang.
func (p *Receiver) patience() <-chan time.Time {
	if p.Hang {
		return nil
	}
	return time.After(p.Delay)
}

func (p *Receiver) answer() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests++
	if p.requests%p.Every == 0 {
		return p.Status
	}
	return http.StatusOK
}

func (p *Receiver) refuse(w http.ResponseWriter, r *http.Request, why error, status int) {
	p.print(r, "refused: "+why.Error(), strconv.Itoa(status), nil)
	http.Error(w, why.Error(), status)
}

func (p *Receiver) print(r *http.Request, what, answer string, items []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, "%s %s %s → %s\n", time.Now().Format("15:04:05.000"), r.Method, what, answer)
	for _, item := range items {
		fmt.Fprintf(p.out, "  %s\n", item)
	}
}
