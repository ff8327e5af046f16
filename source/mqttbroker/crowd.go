package mqttbroker

import (
	"container/list"
	"net"
	"sync"
	"time"
)

// crowd bounds what connections take together while nobody can tell yet whether anything comes of them: those that have
// not logged in, and those that send a large packet. Where there is no room for more, the one that has been at it longest
// gives way, once it has had its time; until then others wait.
type crowd struct {
	limit   int64
	time    time.Duration // that each has in any case
	evicted func()        // is told of each that gave way

	mu     sync.Mutex
	room   *sync.Cond
	taken  int64
	oldest list.List // of the *place that may give way, by their beginning
}

// stayingTime is when to look again where all that gives way no more leaves before long.
const stayingTime = time.Second

// place is what one connection takes in a crowd.
type place struct {
	conn    net.Conn // closed to make it give way
	since   time.Time
	size    int64
	element *list.Element // nil: it does not give way
	gone    bool
}

func newCrowd(limit int64, time time.Duration, evicted func()) *crowd {
	c := &crowd{limit: limit, time: time, evicted: evicted}
	c.room = sync.NewCond(&c.mu)
	return c
}

// enter gives the connection a place, which takes nothing yet.
func (c *crowd) enter(conn net.Conn) *place {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := &place{conn: conn, since: time.Now()}
	p.element = c.oldest.PushBack(p)
	return p
}

// growTo lets the place take so much in all. It is false where the place had to give way itself, which closed its
// connection.
func (c *crowd) growTo(p *place, size int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !p.gone && c.taken-p.size+size > c.limit {
		if size > c.limit {
			c.evict(p)
		} else if wait := c.evictOldest(p); wait > 0 {
			wake := time.AfterFunc(wait, c.room.Broadcast)
			c.room.Wait()
			wake.Stop()
		}
	}
	if p.gone {
		return false
	}
	c.taken += size - p.size
	p.size = size
	return true
}

// stay lets the place give way no more.
func (c *crowd) stay(p *place) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(p)
}

// leave gives back what the place takes.
func (c *crowd) leave(p *place) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(p)
}

func (c *crowd) used() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.taken
}

// evictOldest tells how long the asker has to wait until somebody gives way; 0 where one just did.
func (c *crowd) evictOldest(asker *place) time.Duration {
	front := c.oldest.Front()
	if front == nil || c.oldest.Len() == 1 && front == asker.element {
		return stayingTime
	}
	oldest := front.Value.(*place)
	if rest := c.time - time.Since(oldest.since); rest > 0 {
		return rest
	}
	c.evict(oldest)
	return 0
}

func (c *crowd) evict(p *place) {
	_ = p.conn.Close()
	c.remove(p)
	c.evicted()
}

func (c *crowd) remove(p *place) {
	c.forget(p)
	c.taken -= p.size
	p.size, p.gone = 0, true
	c.room.Broadcast()
}

func (c *crowd) forget(p *place) {
	if p.element != nil {
		c.oldest.Remove(p.element)
		p.element = nil
	}
}
