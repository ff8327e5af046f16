package actors

import (
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/fluxmq/webhookd/delivery"
	"github.com/fluxmq/webhookd/messages"
)

// Available tells an actor with a Mailbox that its backlog has events again. It comes once, after the actor found
// nothing to take.
type Available struct{}

// Dropped tells an actor with a Mailbox that its backlog dropped events. It comes once until the actor asks how many
// (Backlog.DroppedSince).
type Dropped struct{}

var (
	available = &Available{}
	dropped   = &Dropped{}
)

// Mailbox is an actor.Mailbox with a bounded lane for events, the backlog, from which the actor takes when it can do
// something with one. All other messages are control messages (results, timers, drain): they pass at once and are never
// shed.
//
// It is a mailbox of our own because actor.Bounded blocks its senders and actor.BoundedDropping neither counts what it
// drops nor keeps its own count right.
type Mailbox struct {
	backlog *delivery.Backlog
	admit   Admit

	mu        sync.Mutex
	system    delivery.FIFO[any]
	control   delivery.FIFO[any]
	suspended bool
	scheduled bool

	invoker    actor.MessageInvoker
	dispatcher actor.Dispatcher
}

// ErrUnwanted is why an event takes no place in a backlog.
var ErrUnwanted = errors.New("nobody wants the event")

// Admit recognises the messages that are events: false for every other. ErrUnwanted turns an event away; any other error
// refuses it.
type Admit func(message any) (event *messages.Envelope, isEvent bool, err error)

// NewMailbox makes the mailbox of one actor around its backlog.
func NewMailbox(backlog *delivery.Backlog, admit Admit) *Mailbox {
	return &Mailbox{backlog: backlog, admit: admit}
}

// Offer hands admitted events over, as Backlog.Offer does, and never blocks.
func (m *Mailbox) Offer(events ...*messages.Envelope) error {
	return m.OfferForReceipt(nil, events...)
}

// OfferForReceipt hands admitted events over, as Backlog.OfferForReceipt does, and never blocks.
func (m *Mailbox) OfferForReceipt(receipt func(error), events ...*messages.Envelope) error {
	signals, err := m.backlog.OfferForReceipt(time.Now(), receipt, events...)
	m.signal(signals)
	return err
}

// TurnAway accounts for events that nobody wants. Its error is messages.ErrClosed.
func (m *Mailbox) TurnAway(events int) error {
	signals, err := m.backlog.TurnAway(events)
	m.signal(signals)
	return err
}

// Wake sends the actor an Available: it left events in the backlog that it could take.
func (m *Mailbox) Wake() {
	m.post(&m.control, available)
}

// Run hands the actor one control message in the calling goroutine: for one that has nothing else to do. It is false,
// and the message not taken, where the actor runs already or is suspended.
func (m *Mailbox) Run(message any) bool {
	m.mu.Lock()
	free := !m.scheduled && !m.suspended // then no message waits before this one
	m.scheduled = m.scheduled || free
	m.mu.Unlock()
	if free {
		m.invoke(message, false)
		m.dispatchRest()
	}
	return free
}

// dispatchRest leaves what came meanwhile to a goroutine of the actor's own.
func (m *Mailbox) dispatchRest() {
	m.mu.Lock()
	m.scheduled = m.system.Len() > 0 || m.control.Len() > 0 && !m.suspended
	schedule := m.scheduled
	m.mu.Unlock()
	if schedule {
		m.dispatcher.Schedule(m.process)
	}
}

// PostUserMessage implements actor.Mailbox. Who sends an event this way does not learn of a refusal: it is counted.
func (m *Mailbox) PostUserMessage(message any) {
	event, isEvent, err := m.admit(actor.UnwrapEnvelopeMessage(message))
	switch {
	case errors.Is(err, ErrUnwanted):
		_ = m.TurnAway(1)
	case err != nil:
		m.signal(m.backlog.Refuse(delivery.DroppedInvalid))
	case isEvent:
		_ = m.Offer(event)
	default:
		m.post(&m.control, message)
	}
}

// PostSystemMessage implements actor.Mailbox.
func (m *Mailbox) PostSystemMessage(message any) {
	m.post(&m.system, message)
}

// RegisterHandlers implements actor.Mailbox.
func (m *Mailbox) RegisterHandlers(invoker actor.MessageInvoker, dispatcher actor.Dispatcher) {
	m.invoker, m.dispatcher = invoker, dispatcher
}

// Start implements actor.Mailbox.
func (m *Mailbox) Start() {}

// UserMessageCount implements actor.Mailbox: control messages and events that wait.
func (m *Mailbox) UserMessageCount() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.control.Len() + m.backlog.Ledger().Waiting
}

func (m *Mailbox) signal(s delivery.Signals) {
	if s.Available {
		m.post(&m.control, available)
	}
	if s.Dropped {
		m.post(&m.control, dropped)
	}
}

func (m *Mailbox) post(lane *delivery.FIFO[any], message any) {
	m.mu.Lock()
	lane.Push(message)
	schedule := !m.scheduled
	m.scheduled = true
	m.mu.Unlock()
	if schedule {
		m.dispatcher.Schedule(m.process)
	}
}

// process runs the actor until there is nothing to do.
func (m *Mailbox) process() {
	for handled := 1; ; handled++ {
		message, system := m.pop()
		if message == nil {
			return
		}
		m.invoke(message, system)
		if handled%m.dispatcher.Throughput() == 0 {
			runtime.Gosched()
		}
	}
}

// invoke lets the actor handle a message. Its panic goes to its supervisor.
func (m *Mailbox) invoke(message any, system bool) {
	defer func() {
		if reason := recover(); reason != nil {
			m.invoker.EscalateFailure(reason, message)
		}
	}()
	if system {
		m.invoker.InvokeSystemMessage(message)
	} else {
		m.invoker.InvokeUserMessage(message)
	}
}

// pop takes the next message, system messages first; nil, and the mailbox is idle from then on, when there is none.
func (m *Mailbox) pop() (message any, system bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for {
		message, ok := m.system.Pop()
		if !ok {
			break
		}
		switch message.(type) {
		case *actor.SuspendMailbox:
			m.suspended = true
		case *actor.ResumeMailbox:
			m.suspended = false
		default:
			return message, true
		}
	}
	if !m.suspended {
		if message, ok := m.control.Pop(); ok {
			return message, false
		}
	}
	m.scheduled = false
	return nil, false
}
