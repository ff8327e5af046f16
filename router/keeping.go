package router

import (
	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
)

const (
	// memoryOfEndpoints is how many bytes of what is held may be in memory where a store keeps it, over all endpoints; each
	// has a part of it between the bounds.
	memoryOfEndpoints = 256 << 20
	leastWindow       = 32 << 10
	largestWindow     = 1 << 20
	// roomPart is what part of store.max_bytes is made free at once when it is full.
	roomPart   = 100
	noEndpoint = -1
)

// restore gives the endpoints what the store kept of them, before anything is offered to them. window is how many bytes of
// it each may have in memory; 0: its part of memoryOfEndpoints.
func (a *routerActor) restore(window int64) {
	if a.store == nil {
		return
	}
	if window == 0 {
		window = min(max(memoryOfEndpoints/int64(max(1, len(a.endpoints))), leastWindow), largestWindow)
	}
	a.absent = a.held()
	for _, endpoint := range a.endpoints {
		delete(a.absent, endpoint.Name())
		endpoint.Restore(a.store.Endpoint(endpoint.Name()), window)
	}
	a.store.OnRoom(a.mailbox.Wake)
}

// storeFails is why no event can be made safe at this moment; nil where it can.
func (a *routerActor) storeFails() error {
	if a.store == nil {
		return nil
	}
	return a.store.Failing()
}

// StoreFails tells whether the store keeps nothing at this moment, so that no receipt is given.
func (h *Handle) StoreFails() bool { return h.router.storeFails() != nil }

// waitsForStore tells whether events stay in the root mailbox, where the drop policy holds, because the store gathered as
// much as it may. In a drain they go on: what is not kept of them then is in memory at least.
func (a *routerActor) waitsForStore() bool {
	return a.store != nil && !a.draining && a.store.Full()
}

// makeRoom lets the endpoint that holds most give way where the store has no room for an event. With drop_policy newest
// that endpoint is returned if it wants the event, which it does not get; otherwise noEndpoint.
func (a *routerActor) makeRoom(event *messages.Envelope, wanting []int) (full int) {
	if a.store == nil || len(wanting) == 0 {
		return noEndpoint
	}
	excess := a.store.Excess(event.Size())
	if excess <= 0 {
		return noEndpoint
	}
	largest := a.largest()
	if freed := a.endpoints[largest].GiveWay(excess + a.store.MaxBytes()/roomPart); freed > 0 {
		return noEndpoint
	}
	return largest
}

// largest is the endpoint that holds most bytes.
func (a *routerActor) largest() int {
	largest, most := noEndpoint, int64(-1)
	for i, endpoint := range a.endpoints {
		if bytes := endpoint.Held(); bytes > most {
			largest, most = i, bytes
		}
	}
	return largest
}

// beginEntry lets the endpoints that take the event share what the store keeps of it.
func (a *routerActor) beginEntry(event *messages.Envelope) {
	if a.store != nil {
		a.store.Route(event)
	}
}

// endEntry gives the sender's receipt when the event is safe: at once where all is in memory.
func (a *routerActor) endEntry() {
	if a.store == nil {
		a.giveReceipt(nil)
		return
	}
	receipt := a.receipt
	a.receipt = nil
	a.store.Routed(receipt)
}

// abandonEntry ends an entry amid which the router panicked.
func (a *routerActor) abandonEntry() {
	if a.store != nil {
		a.store.Routed(nil)
	}
}

// held is what the store holds, by the endpoint's name.
func (a *routerActor) held() map[string]delivery.Volume {
	held := map[string]delivery.Volume{}
	for name, record := range a.store.Endpoints() {
		if volume := record.Volume(); volume.Events > 0 {
			held[name] = volume
		}
	}
	return held
}
