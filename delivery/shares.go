package delivery

import (
	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// shares is how many parts a full queue has: each class of events may keep one while it wants it.
const shares = int(messages.ClassCount)

// volume is how much room events take.
type volume struct {
	events int
	bytes  int64
}

func (v volume) add(event *messages.Envelope) volume {
	return volume{v.events + 1, v.bytes + int64(event.Size())}
}

func (v volume) subtract(event *messages.Envelope) volume {
	return volume{v.events - 1, v.bytes - int64(event.Size())}
}

// byClass is the room that each class of events takes.
type byClass [messages.ClassCount]volume

func (c *byClass) total() volume {
	var total volume
	for _, v := range c {
		total.events += v.events
		total.bytes += v.bytes
	}
	return total
}

func (b Bounds) hold(v volume) bool { return v.events <= b.Events && v.bytes <= b.Bytes }

// use is what part of the bounds a class takes: of the events or of the bytes, whichever is more.
func (b Bounds) use(v volume) float64 {
	return max(float64(v.events)/float64(b.Events), float64(v.bytes)/float64(b.Bytes))
}

// exceedsShare tells whether a class takes more than its share of a queue.
func (b Bounds) exceedsShare(v volume) bool {
	return v.events*shares > b.Events || v.bytes*int64(shares) > b.Bytes
}

// givingWay is how many events of each class give way to newcomers; false when the newcomers are refused. What gives way
// is of the class that takes most, and never of one within its share; with drop_policy newest only newcomers within
// theirs make others give way. A class has nothing to give where all of it is in flight, or of batches that were sent:
// then it is the next one's turn, as far as that takes no less than the newcomers' own class.
func (b *Backlog) givingWay(newcomers []*messages.Envelope) (victims [messages.ClassCount]int, ok bool) {
	use := b.held
	var coming [messages.ClassCount]bool
	for _, event := range newcomers {
		class := event.Type().Class()
		use[class] = use[class].add(event)
		coming[class] = true
	}
	for !b.bounds.hold(use.total()) {
		class, found := b.nextToGive(&use, &coming, &victims)
		if !found {
			return victims, false
		}
		use[class] = use[class].subtract(b.victim(class, victims[class]))
		victims[class]++
	}
	return victims, true
}

func (b *Backlog) nextToGive(
	use *byClass, coming *[messages.ClassCount]bool, victims *[messages.ClassCount]int,
) (giving messages.Class, found bool) {
	least := 0.0
	for class := range messages.ClassCount {
		if !coming[class] {
			continue
		}
		if b.bounds.Policy == config.DropNewest && b.bounds.exceedsShare(use[class]) {
			return 0, false
		}
		least = max(least, b.bounds.use(use[class]))
	}
	most := 0.0
	for class := range messages.ClassCount {
		of := b.bounds.use(use[class])
		if of < least || !b.bounds.exceedsShare(use[class]) || victims[class] >= b.giveable(class) {
			continue
		}
		if !found || of > most || of == most && coming[class] && !coming[giving] {
			giving, most, found = class, of, true
		}
	}
	return giving, found
}

// giveable is how many events of the class can give way.
func (b *Backlog) giveable(class messages.Class) int {
	events := b.waiting.byClass[class].Len()
	if !b.batch.Batches() {
		events += b.retries.byOrder[class].Len()
	}
	return events
}

// victim is the event of the class that gives way after so many others: one never sent, the oldest first, then one that
// waits for a retry.
func (b *Backlog) victim(class messages.Class, after int) *messages.Envelope {
	queue := &b.waiting.byClass[class]
	if after < queue.Len() {
		return queue.At(after).event
	}
	return b.retries.oldestOf(class, after-queue.Len()).single[0].event
}

func (b *Backlog) evict(class messages.Class) {
	evicted, ok := b.waiting.popOf(class)
	if !ok {
		d := b.retries.oldestOf(class, 0)
		b.leaveRetries(d)
		b.demand = demandsEvent // in order, it held back the events after it
		d.place = gone
		evicted = d.single[0]
	}
	b.release(evicted.event)
	b.ledger.fates[DroppedEvicted]++
	evicted.giveWay()
}
