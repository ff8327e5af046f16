package delivery

// FIFO is a queue in a ring that grows and shrinks with what it holds. Its zero value is empty. It is not safe for use by
// several goroutines at once.
type FIFO[T any] struct {
	ring   []T // its length is 0 or a power of two
	head   int
	length int
}

const fifoMinimum = 16

// Push adds an item behind all others.
func (q *FIFO[T]) Push(item T) {
	if q.length == len(q.ring) {
		q.resize(max(fifoMinimum, 2*len(q.ring)))
	}
	q.ring[(q.head+q.length)&(len(q.ring)-1)] = item
	q.length++
}

// Pop takes the item that was pushed first; false when the queue is empty.
func (q *FIFO[T]) Pop() (item T, ok bool) {
	if q.length == 0 {
		return item, false
	}
	var zero T
	item, q.ring[q.head] = q.ring[q.head], zero
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.length--
	if len(q.ring) > fifoMinimum && q.length <= len(q.ring)/4 {
		q.resize(len(q.ring) / 2)
	}
	return item, true
}

// Len is the number of items.
func (q *FIFO[T]) Len() int { return q.length }

// At is the item that Pop takes after i others; i is less than Len.
func (q *FIFO[T]) At(i int) T { return q.ring[(q.head+i)&(len(q.ring)-1)] }

// Items lists what the queue holds, the first to be popped first.
func (q *FIFO[T]) Items() []T {
	items := make([]T, q.length)
	for i := range items {
		items[i] = q.At(i)
	}
	return items
}

func (q *FIFO[T]) resize(size int) {
	ring := make([]T, size)
	for i := range q.length {
		ring[i] = q.At(i)
	}
	q.ring, q.head = ring, 0
}
