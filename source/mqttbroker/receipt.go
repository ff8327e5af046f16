package mqttbroker

import "sync"

// receipt is the word whether the event of a publish is safe, or why it is not. It comes once.
type receipt struct {
	mu      sync.Mutex
	came    bool
	err     error
	waiting []func(error)
}

// give says it. Only the first word counts.
func (r *receipt) give(err error) {
	r.mu.Lock()
	if r.came {
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
