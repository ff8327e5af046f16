package actors

// fifo is a queue in a ring that grows and shrinks with what it holds.
type fifo[T any] struct {
	ring   []T // its length is 0 or a power of two
	head   int
	length int
}

const fifoMinimum = 16

func (q *fifo[T]) push(item T) {
	if q.length == len(q.ring) {
		q.resize(max(fifoMinimum, 2*len(q.ring)))
	}
	q.ring[(q.head+q.length)&(len(q.ring)-1)] = item
	q.length++
}

func (q *fifo[T]) pop() (item T, ok bool) {
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

// first is what pop takes next. The queue must hold something.
func (q *fifo[T]) first() T { return q.ring[q.head] }

// items lists what the queue holds, the first to be popped first.
func (q *fifo[T]) items() []T {
	items := make([]T, q.length)
	for i := range items {
		items[i] = q.ring[(q.head+i)&(len(q.ring)-1)]
	}
	return items
}

func (q *fifo[T]) resize(size int) {
	ring := make([]T, size)
	for i := range q.length {
		ring[i] = q.ring[(q.head+i)&(len(q.ring)-1)]
	}
	q.ring, q.head = ring, 0
}
