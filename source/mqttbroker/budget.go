package mqttbroker

import "sync/atomic"

// budget is a number of bytes that many share.
type budget struct {
	limit int64
	used  atomic.Int64
}

// take takes so many bytes if that many are left.
func (b *budget) take(bytes int64) bool {
	if b.used.Add(bytes) <= b.limit {
		return true
	}
	b.used.Add(-bytes)
	return false
}

// spend takes the bytes of what is there already, left or not.
func (b *budget) spend(bytes int64) { b.used.Add(bytes) }

func (b *budget) giveBack(bytes int64) { b.used.Add(-bytes) }

// has tells whether so many bytes are left.
func (b *budget) has(bytes int64) bool { return b.used.Load()+bytes <= b.limit }
