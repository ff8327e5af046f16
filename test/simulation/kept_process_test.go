package simulation

import (
	"context"
	"log/slog"
	"sync"
	"testing/synctest"
	"time"

	"github.com/fluxmq/webhookd/actors"
	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/router"
	"github.com/fluxmq/webhookd/store"
)

// process is a router with its store, from its start to its end.
type process struct {
	number    int
	keeper    *keeper
	store     *store.Store
	handle    *router.Handle
	receivers []*receiver
	grace     time.Duration // in which a sound disk has what the store was told

	ended time.Time // zero: it lives
	clean bool      // it ended with all that it was told on the disk

	mu       sync.Mutex
	receipts []*receipt
}

// receipt is what the sender of events waits for.
type receipt struct {
	events []*event
	given  int // how often
	err    error
}

func (p *process) give(r *receipt, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended.IsZero() {
		r.given, r.err = r.given+1, err
	}
}

// committed tells whether what the store was told at a moment has to be on the disk.
func (p *process) committed(at time.Time) bool {
	if p.clean {
		return true
	}
	k, until := p.keeper, p.ended
	if until.IsZero() {
		until = time.Now()
	}
	k.disk.mu.Lock()
	defer k.disk.mu.Unlock()
	sound := !k.fails && at.After(k.failed)
	return at.Before(k.committed) || sound && until.Sub(at) > p.grace
}

// start begins a process on what is on the disk.
func (r *keptRun) start() {
	before := r.view()
	log := slog.New(slog.DiscardHandler)
	p := &process{number: len(r.processes), keeper: r.disk.open(), grace: r.delay + 2*r.disk.takes + time.Millisecond}
	opened, err := store.Open(p.keeper, config.Store{CommitDelay: r.delay, MaxBytes: r.maxBytes}, config.DeadLetters{}, log)
	r.must(err)
	p.store = opened
	cfg := config.Default()
	cfg.BrokerID = brokerID
	cfg.Webhook = r.webhook
	p.handle, err = router.Spawn(r.system, cfg, router.WithLogger(log), router.WithStore(opened), router.WithWindow(r.window),
		router.WithJitter(func() float64 { return r.jitterAt(time.Now()) }),
		router.WithSenders(func(endpoint config.Endpoint) (actors.Sender, error) {
			receiver := &receiver{endpoint: endpoint, world: r.world, behaviour: r.behaviours[len(p.receivers)]}
			p.receivers = append(p.receivers, receiver)
			return receiver, nil
		}))
	r.must(err)
	r.process, r.processes = p, append(r.processes, p)
	for i, o := range r.oracles {
		o.begin(p.receivers[i])
		stats, held := p.handle.Stats().Endpoints[i], before.of(o.Name).heldEvents()
		if stats.AcceptedStore != uint64(held) {
			o.breaks("what was held is held again when the next process begins", "%d events, of %d", stats.AcceptedStore, held)
		}
	}
	synctest.Wait()
}

// crash ends the process at this moment, as far as the disk and the receivers see it, and starts the next one.
func (r *keptRun) crash() {
	p := r.process
	p.keeper.cutOff()
	synctest.Wait()
	v := r.check()
	r.reachByCrash(v)
	r.end(p)
	r.abandon(p)
	r.start()
}

// abandon frees a process that nobody hears of any more.
func (r *keptRun) abandon(p *process) {
	r.closing.Go(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = p.handle.Close(ctx)
		_ = p.store.Close()
	})
}

// stop ends the process in order, and starts the next one.
func (r *keptRun) stop() {
	p, began := r.process, time.Now()
	err := p.handle.Close(context.Background())
	synctest.Wait()
	if took := time.Since(began); err != nil || took > r.webhook.ShutdownTimeout+closeGrace {
		r.breaks("Close ends by its deadline, and nothing is lost", "%v, after %v", err, took)
	}
	off := p.keeper.isOff()
	p.clean = p.store.Close() == nil && !off
	if !p.clean {
		r.seen["stop while the disk fails"]++
	}
	r.check()
	r.end(p)
	r.start()
}

// closeGrace is how long a Close may take to stop by force what waits for a store that fails.
const closeGrace = 4 * time.Second

func (r *keptRun) end(p *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = time.Now()
	r.reachByEnd(p)
	for i, o := range r.oracles {
		o.end(p.handle.Stats().Endpoints[i].Ledger)
	}
}
