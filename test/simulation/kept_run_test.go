package simulation

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/google/uuid"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
	"github.com/fluxmq/webhookd/store/storetest"
)

// keptRun is a scenario with a store under way.
type keptRun struct {
	keptScenario
	*world
	system       *actor.ActorSystem
	disk         *disk
	observer     *storetest.Memory
	behaviours   []behaviour // of the receivers, at present
	processes    []*process
	process      *process // that lives
	closing      sync.WaitGroup
	oracles      []*keptOracle
	acceptances  int
	damaged      map[*event]bool
	letterEvents map[uuid.UUID]*event
	seen         map[string]int
	broken       *violation
}

func playKept(t *testing.T, s keptScenario) (r *keptRun) {
	synctest.Test(t, func(*testing.T) {
		r = newKeptRun(s)
		r.playSteps()
		r.finish()
	})
	return r
}

func newKeptRun(s keptScenario) *keptRun {
	r := &keptRun{
		keptScenario: s,
		world:        &world{began: time.Now(), known: map[*messages.Envelope]*event{}},
		disk:         newDisk(s.takes, s.late),
		behaviours:   s.receivers,
		damaged:      map[*event]bool{},
		letterEvents: map[uuid.UUID]*event{},
		seen:         map[string]int{},
	}
	log := slog.New(slog.DiscardHandler)
	r.system = actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return log }))
	r.observer = r.disk.Keeper()
	for i, endpoint := range s.webhook.Resolve() {
		r.oracles = append(r.oracles, newKeptOracle(endpoint, r, i))
	}
	r.start()
	return r
}

func (r *keptRun) playSteps() {
	for _, step := range r.steps {
		r.pass(step.after)
		if r.broken != nil {
			return
		}
		step.action.perform(r)
		r.settle()
	}
	r.recover()
	if r.broken == nil {
		r.stop()
		r.checkEnd()
	}
}

// pass lets time pass, and the power fail meanwhile.
func (r *keptRun) pass(by time.Duration) {
	until := time.Now().Add(by)
	for {
		r.process.keeper.sleep(time.Until(until))
		r.settle()
		if !time.Now().Before(until) || r.broken != nil {
			return
		}
	}
}

// settle lets everything happen that is due, and checks it.
func (r *keptRun) settle() {
	synctest.Wait()
	if r.process.keeper.isOff() {
		r.crash()
		return
	}
	r.check()
}

func (r *keptRun) check() *view {
	p, v, stats := r.process, r.view(), r.process.handle.Stats()
	letters, records := p.handle.DeadLetters(), p.store.Endpoints()
	for _, letter := range letters {
		r.oracleNamed(letter.Endpoint).giveUp(letter)
	}
	r.readReceipts(p)
	if !balanced(stats.Mailbox) {
		r.breaks("offered = routed + unwanted + dropped + queued", "%+v", stats.Mailbox)
	}
	for i, o := range r.oracles {
		moments, broken := p.receivers[i].read()
		if broken != nil && r.broken == nil {
			r.broken = broken
		}
		o.read(moments)
		o.compare(stats.Endpoints[i].Ledger, records[o.Name])
		o.compareDisk(v.of(o.Name))
		o.checkSafe(v.of(o.Name), stats.Endpoints[i].Ledger)
	}
	return v
}

func (r *keptRun) readReceipts(p *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, receipt := range p.receipts {
		if receipt.given > 1 {
			r.breaks("a receipt is given once", "%v", receipt.events)
		}
		for _, o := range r.oracles {
			for _, e := range receipt.events {
				if passage := o.passages[e]; passage != nil && receipt.given > 0 && receipt.err == nil {
					passage.safe = true
				}
			}
		}
	}
}

func (r *keptRun) oracleNamed(name string) *keptOracle {
	for _, o := range r.oracles {
		if o.Name == name {
			return o
		}
	}
	return nil
}

func (r *keptRun) breaks(rule, detail string, args ...any) {
	if r.broken == nil {
		r.broken = &violation{rule, fmt.Sprintf("process %d at %v: ", len(r.processes)-1, time.Since(r.began)) + fmt.Sprintf(detail, args...)}
	}
}

func (r *keptRun) jitterAt(now time.Time) float64 { return jitterAt(r.jitter, now.Sub(r.began)) }

// recover lets the disk and all receivers be well, until nothing is held any more.
func (r *keptRun) recover() {
	r.disk.heal()
	for i := range r.oracles {
		r.turn(i, behaviour{usual: well, latency: time.Millisecond})
	}
	for range 100 {
		if r.broken != nil || r.held() == 0 {
			return
		}
		r.pass(10 * time.Minute)
	}
	r.breaks("what an endpoint holds flows once its receiver is well", "%d events are still held", r.held())
}

func (r *keptRun) turn(receiver int, to behaviour) {
	r.behaviours[receiver] = to
	r.process.receivers[receiver].turn(to)
}

func (r *keptRun) held() int {
	held := 0
	for _, endpoint := range r.process.handle.Stats().Endpoints {
		held += endpoint.Held()
	}
	return held
}

// checkEnd checks what is on the disk when nothing is held any more.
func (r *keptRun) checkEnd() {
	v := r.view()
	for _, o := range r.oracles {
		if held := v.of(o.Name).heldEvents(); held > 0 {
			o.breaks("what has its fate is held no more", "%d events are", held)
		}
	}
	for _, p := range r.processes {
		for _, receipt := range p.receipts {
			if p.clean && receipt.given == 0 {
				r.breaks("every receipt is given, or refused", "%v", receipt.events)
			}
		}
	}
}

// finish ends the process, and lets the actor system's own timers end.
func (r *keptRun) finish() {
	r.process.keeper.cutOff()
	r.abandon(r.process)
	r.closing.Wait()
	time.Sleep(time.Hour)
}

func (r *keptRun) story() string {
	var text strings.Builder
	for _, o := range r.oracles {
		fmt.Fprintf(&text, "endpoint %s: %v\n", o.Name, r.process.handle.Stats().Endpoints[o.index].ByReason(delivery.KindDropped))
		for _, m := range o.story[max(0, len(o.story)-40):] {
			fmt.Fprintf(&text, "\t%v %v %s\n", m.at.Sub(r.began), m.attempt, m.tell())
		}
	}
	return text.String()
}
