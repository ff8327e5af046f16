package mqttbroker

import "sync"

// turns let one connection of a client id at a time log in or end. mochi does not: a connection that ends while the next
// one of its client logs in takes that out of the clients that messages are sent to.
type turns struct {
	mu    sync.Mutex
	taken map[string]*turn // by client id; those that nobody has or awaits are not in it
}

type turn struct {
	sync.Mutex
	users int
}

// take waits until nobody has the client id's turn.
func (t *turns) take(clientID string) {
	t.mu.Lock()
	one := t.taken[clientID]
	if one == nil {
		one = &turn{}
		t.taken[clientID] = one
	}
	one.users++
	t.mu.Unlock()
	one.Lock()
}

func (t *turns) give(clientID string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.taken[clientID]
	one.Unlock()
	if one.users--; one.users == 0 {
		delete(t.taken, clientID)
	}
}
