package config

import "time"

const (
	day                = 24 * time.Hour
	minDeadLetterBytes = 8 << 20
	maxDeadLetterBytes = 1 << 40
	maxDeadLetterAge   = 3650 * day

	// leastDeadLetters are the largest events that must find room: the oldest eighth gives way at a time.
	leastDeadLetters = 8
)

func (f *findings) checkDeadLetters(path string, d DeadLetters, w Webhook) {
	f.checkPath(path+".dir", d.Dir)
	checkRange(f, path+".max_bytes", d.MaxBytes, minDeadLetterBytes, maxDeadLetterBytes, false)
	checkRange(f, path+".max_age", d.MaxAge, day, maxDeadLetterAge, true)
	if need := leastDeadLetters * neededBytes(w); d.Dir != "" && d.MaxBytes < need {
		f.report(path+".max_bytes", "is %v, and %d events with a payload of max_payload_bytes, which is %v, need %v",
			d.MaxBytes, leastDeadLetters, w.MaxPayloadBytes, need)
	}
}
