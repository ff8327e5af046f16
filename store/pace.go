package store

import "time"

const (
	// A group waits for deliveries only while they end in time: of events of which fewer than one in leastEnded did,
	// the next group waits a part of commit_delay only; one group in probeEvery waits all of it, to see.
	leastEnded = 10
	hastyPart  = 16
	probeEvery = 16
)

// pace says how long a group waits for its deliveries to end.
type pace struct {
	groups int
	ended  int // before their group committed
	hasty  bool
}

// judge looks at the group that was just taken.
func (p *pace) judge(written int) {
	p.groups++
	p.hasty = (p.ended+written > 0) && p.ended*leastEnded < p.ended+written
	p.ended = 0
}

func (p *pace) delay(whole time.Duration) time.Duration {
	if p.hasty && p.groups%probeEvery != 0 {
		return whole / hastyPart
	}
	return whole
}
