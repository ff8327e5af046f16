// Package probe is an actor for tests: it keeps what it is sent, in order, for the test to look at.
package probe

import (
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// capacity is how many messages a probe keeps that nobody expected yet; the next one blocks it.
const capacity = 10_000

// patience is how long Expect waits. In a testing/synctest bubble that is virtual time.
const patience = 10 * time.Second

// Probe is an actor that records its messages, all but those about its own life.
type Probe struct {
	pid      *actor.PID
	received chan any
}

// Spawn starts a probe, which first does with each message what receive does: with *actor.Started it may spawn children,
// whose *actor.Terminated it then records. It is stopped at the end of the test.
func Spawn(t testing.TB, system *actor.ActorSystem, receive actor.ReceiveFunc) *Probe {
	t.Helper()
	p := &Probe{received: make(chan any, capacity)}
	p.pid = system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
		receive(ctx)
		switch message := ctx.Message().(type) {
		case *actor.Started, *actor.Stopping, *actor.Stopped, *actor.Restarting:
		default:
			p.received <- message
		}
	}))
	t.Cleanup(func() { system.Root.Stop(p.pid) })
	return p
}

// PID is the probe's.
func (p *Probe) PID() *actor.PID { return p.pid }

// Expect returns the next message that the probe received, and fails the test when that is no T or none comes within
// ten seconds.
func Expect[T any](t testing.TB, p *Probe) T {
	t.Helper()
	var expected T
	select {
	case message := <-p.received:
		var ok bool
		if expected, ok = message.(T); !ok {
			t.Fatalf("the probe received a %T (%v), not a %T", message, message, expected)
		}
	case <-time.After(patience):
		t.Fatalf("the probe received nothing, instead of a %T", expected)
	}
	return expected
}
