package mqttbroker

import "sync"

// receipt is the word whether a publish is safe, or why it is not. It comes once: with the last word that it needs, or the
// first that says no.
type receipt struct {
	mu      sync.Mutex
	more    int // words that it needs besides the last
	came    bool
	err     error
	waiting []func(error)
}

// give says a word. What is said when the receipt has come does not count.
func (r *receipt) give(err error) {
	r.mu.Lock()
	switch {
	case r.came:
		r.mu.Unlock()
		return
	case err == nil && r.more > 0:
		r.more--
		r.mu.Unlock()
		return
	}
	r.came, r.err = true, err
	waiting := r.waiting
	r.waiting = nil
	r.mu.Unlock()
	for _, f := range waiting {
		f(err)
	}
}

// then has f called when the word has come, in the order of these calls.
func (r *receipt) then(f func(error)) {
	r.mu.Lock()
	if !r.came {
		r.waiting = append(r.waiting, f)
		r.mu.Unlock()
		return
	}
	r.mu.Unlock()
	f(r.err)
}
