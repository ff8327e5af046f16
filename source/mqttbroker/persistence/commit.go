package persistence

import (
	"cmp"
	"slices"
	"time"
)

// run commits group after group until the Keeper closes.
func (k *Keeper) run() {
	defer close(k.ended)
	for pause := retryPause; ; {
		select {
		case <-k.wake:
		case <-k.closing:
			k.commit()
			return
		}
		if k.failing() {
			k.pause(pause, nil)
			pause = min(2*pause, maxRetryPause)
		} else {
			k.pause(commitDelay, k.hurry)
			pause = retryPause
		}
		k.commit()
	}
}

func (k *Keeper) failing() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.failure != nil
}

func (k *Keeper) pause(at time.Duration, unless <-chan struct{}) {
	timer := time.NewTimer(at)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-unless:
	case <-k.closing:
	}
}

// commit writes what has changed. After a failure nothing of the file is trusted: all goes into a new one.
func (k *Keeper) commit() {
	changes, waiting, anew := k.cut()
	var err error
	switch {
	case anew:
		err = k.file.writeAnew(changes)
	case len(changes) > 0:
		err = k.file.write(changes)
	}
	for _, w := range k.committed(changes, waiting, err) {
		w.tell(err)
	}
}

// cut takes what is to be committed now: everything, where the file is to be written anew.
func (k *Keeper) cut() (changes []change, waiting []waiter, anew bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.busy, anew = true, k.failure != nil
	from := k.pending
	if anew {
		from = k.live
		for r := range k.pending {
			if r.encode == nil {
				delete(k.pending, r)
			}
		}
	}
	for r := range from {
		if r.bracket != nil && r.bracket.open {
			continue
		}
		delete(k.pending, r)
		r.bracket = nil
		changes = append(changes, change{r, r.encode})
		r.stored = r.encode != nil
	}
	slices.SortFunc(changes, func(a, b change) int { return cmp.Compare(a.record.number, b.record.number) })
	waiting, k.waiting = k.waiting, nil
	return changes, waiting, anew
}

// committed takes note of what came of the commit, and says who is to be told.
func (k *Keeper) committed(changes []change, waiting []waiter, err error) (told []waiter) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.busy = false
	switch {
	case err != nil && k.failure == nil:
		k.log.Error("what the MQTT broker keeps can't be written; nothing of it is promised until it can", "error", err)
	case err == nil && k.failure != nil:
		k.log.Info("what the MQTT broker keeps is written again")
	}
	k.failure = err
	if err == nil {
		return waiting
	}
	for _, c := range changes {
		if _, live := k.live[c.record]; live {
			k.pending[c.record] = struct{}{}
		}
	}
	k.changed()
	for _, w := range waiting {
		if w.patient {
			k.waiting = append(k.waiting, w)
		} else {
			told = append(told, w)
		}
	}
	return told
}
