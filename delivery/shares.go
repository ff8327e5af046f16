package delivery

import (
	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// shares is how many parts a full queue has: each class of events may keep one while it wants it.
const shares = int(messages.ClassCount)

func (v Volume) add(size int) Volume      { return Volume{v.Events + 1, v.Bytes + int64(size)} }
func (v Volume) subtract(size int) Volume { return Volume{v.Events - 1, v.Bytes - int64(size)} }

// byClass is the room that each class of events takes.
type byClass [messages.ClassCount]Volume

func (c *byClass) total() Volume {
	var total Volume
	for _, v := range c {
		total.Events += v.Events
		total.Bytes += v.Bytes
	}
	return total
}

func (b Bounds) hold(v Volume) bool { return v.Events <= b.Events && v.Bytes <= b.Bytes }

// use is what part of the bounds a class takes: of the events or of the bytes, whichever is more.
func (b Bounds) use(v Volume) float64 {
	return max(float64(v.Events)/float64(b.Events), float64(v.Bytes)/float64(b.Bytes))
}

// exceedsShare tells whether a class takes more than its share of a queue.
func (b Bounds) exceedsShare(v Volume) bool {
	return v.Events*shares > b.Events || v.Bytes*int64(shares) > b.Bytes
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
		use[class] = use[class].add(event.Size())
		coming[class] = true
	}
	for !b.bounds.hold(use.total()) {
		class, size, found := b.nextToGive(&use, &coming, &victims)
		if !found {
			return victims, false
		}
		use[class] = use[class].subtract(size)
		victims[class]++
	}
	return victims, true
}

// nextToGive is the class of the next event to give way, and the size of that event.
func (b *Backlog) nextToGive(
	use *byClass, coming *[messages.ClassCount]bool, victims *[messages.ClassCount]int,
) (giving messages.Class, size int, found bool) {
	least := 0.0
	for class := range messages.ClassCount {
		if !coming[class] {
			continue
		}
		if b.bounds.Policy == config.DropNewest && b.bounds.exceedsShare(use[class]) {
			return 0, 0, false
		}
		least = max(least, b.bounds.use(use[class]))
	}
	most := 0.0
	for class := range messages.ClassCount {
		of := b.bounds.use(use[class])
		if of < least || !b.bounds.exceedsShare(use[class]) {
			continue
		}
		if !found || of > most || of == most && coming[class] && !coming[giving] {
			if victim, gives := b.victim(class, victims[class]); gives {
				giving, size, most, found = class, victim, of, true
			}
		}
	}
	return giving, size, found
}

// victim is the size of the event of the class that gives way after so many others; false when there is none. First come
// those never sent, the oldest first, of which those behind the window are the youngest, then those that wait for a retry.
func (b *Backlog) victim(class messages.Class, after int) (size int, gives bool) {
	queue := &b.waiting.byClass[class]
	if after < queue.Len() {
		return queue.At(after).event.Size(), true
	}
	after -= queue.Len()
	if after < b.window.behind[class].Events {
		return b.sizeBehind(class, after)
	}
	after -= b.window.behind[class].Events
	if b.batch.Batches() || after >= b.retries.byOrder[class].Len() {
		return 0, false
	}
	return b.retries.oldestOf(class, after).single[0].event.Size(), true
}

// GiveWay drops what gives way first, of the class that takes most, until so many bytes are free or nothing is left to
// give. With drop_policy newest nothing gives way.
func (b *Backlog) GiveWay(bytes int64) (freed int64, signals Signals) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for freed < bytes && b.bounds.Policy == config.DropOldest {
		class, size, found := b.largestToGive()
		if !found {
			break
		}
		b.evict(class)
		freed += int64(size)
	}
	return freed, b.signals()
}

func (b *Backlog) largestToGive() (giving messages.Class, size int, found bool) {
	for class := range messages.ClassCount {
		if found && b.held[class].Bytes <= b.held[giving].Bytes {
			continue
		}
		if victim, gives := b.victim(class, 0); gives {
			giving, size, found = class, victim, true
		}
	}
	return giving, size, found
}

func (b *Backlog) evict(class messages.Class) {
	evicted, ok := b.waiting.popOf(class)
	if !ok && b.window.behind[class].Events > 0 {
		b.evictBehind(class)
		return
	}
	if !ok {
		d := b.retries.oldestOf(class, 0)
		b.leaveRetries(d)
		b.demand = demandsEvent // in order, it held back the events after it
		d.place = gone
		evicted = d.single[0]
	}
	b.end([]arrival{evicted}, DroppedEvicted)
	evicted.giveWay()
}
