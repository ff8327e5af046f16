package config

import "time"

const (
	day                = 24 * time.Hour
	minStoreBytes      = 64 << 20
	maxStoreBytes      = 64 << 40
	maxCommitDelay     = time.Second
	minDeadLetterBytes = 8 << 20
	maxDeadLetterBytes = 1 << 40
	maxDeadLetterAge   = 3650 * day

	// leastKept are the largest events that a store must have room for, held and as dead letters.
	leastKept = 8
)

func (f *findings) checkStore(path string, s Store, w Webhook) {
	f.checkPath(path+".dir", s.Dir)
	checkRange(f, path+".max_bytes", s.MaxBytes, minStoreBytes, maxStoreBytes, false)
	checkRange(f, path+".commit_delay", s.CommitDelay, 0, maxCommitDelay, false)
	f.checkRoom(path+".max_bytes", s.MaxBytes, s, w)
}

func (f *findings) checkDeadLetters(path string, c Config) {
	checkRange(f, path+".max_bytes", c.DeadLetters.MaxBytes, minDeadLetterBytes, maxDeadLetterBytes, false)
	checkRange(f, path+".max_age", c.DeadLetters.MaxAge, day, maxDeadLetterAge, true)
	f.checkRoom(path+".max_bytes", c.DeadLetters.MaxBytes, c.Store, c.Webhook)
}

// checkRoom checks what bounds a part of the store, where there is one.
func (f *findings) checkRoom(path string, room ByteSize, s Store, w Webhook) {
	if need := leastKept * neededBytes(w); s.Dir != "" && room < need {
		f.report(path, "is %v, and %d events with a payload of max_payload_bytes, which is %v, need %v",
			room, leastKept, w.MaxPayloadBytes, need)
	}
}
