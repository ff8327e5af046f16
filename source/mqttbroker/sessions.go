package mqttbroker

import (
	"math"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// sessions is the hook that keeps MQTT where mochi does not. mochi has one space of packet ids for both directions and
// forgets in which order it queued; so the client's ids are translated (packetIDs), and what is sent to it with QoS 1 or 2
// goes through an outbox. Every PUBLISH is written by this hook; mochi's own writing of one only tells it that there is
// something to write.
type sessions struct {
	mqtt.HookBase

	server  *mqtt.Server
	keeping *keeping // nil: everything is in memory only
	turns   turns
	links   sync.Map // net.Conn → *link, from the login to the end of the connection

	mu   sync.Mutex
	byID map[string]*session // from a client's login to the end of its session
}

// session is what outlives a client's connection.
type session struct {
	packetIDs packetIDs
	outbox    outbox
	kept      keptSession
}

// link is one connection of a session. What is not atomic belongs to the goroutine that serves the connection.
type link struct {
	clientID    string
	session     *session
	window      int         // the client's Receive Maximum (MQTT 5.0 §3.1.2.11.3)
	established atomic.Bool // the CONNACK is written
	hasTurn     bool
	request     request
	publish     *openPublish // that is processed; nil: none
	aliases     topicAliases // guarded by the outbox's writing
}

func newSessions(server *mqtt.Server) *sessions {
	return &sessions{server: server, turns: turns{taken: map[string]*turn{}}, byID: map[string]*session{}}
}

func (*sessions) ID() string { return "sessions" }

func (*sessions) Provides(callback byte) bool {
	return slices.Contains([]byte{
		mqtt.OnConnect, mqtt.OnSessionEstablish, mqtt.OnSessionEstablished, mqtt.OnDisconnect, mqtt.OnClientExpired,
		mqtt.OnPacketRead, mqtt.OnPacketEncode, mqtt.OnPacketProcessed, mqtt.OnSubscribe, mqtt.OnSubscribed,
		mqtt.OnQosPublish, mqtt.OnQosDropped,
	}, callback)
}

// OnConnect takes from mochi what it gets wrong: its topic aliases end up in messages for other connections, its count
// of what the client has not acknowledged never comes down again, and a will's delay outlives the session.
func (*sessions) OnConnect(cl *mqtt.Client, _ packets.Packet) error {
	cl.ID = strings.Clone(cl.ID) // it points into the whole CONNECT
	cl.Properties.Props.TopicAliasMaximum = 0
	cl.Properties.Props.ReceiveMaximum = 0
	if !cl.Properties.Props.SessionExpiryIntervalFlag {
		cl.Properties.Will.WillDelayInterval = 0 // MQTT 5.0 §3.1.3.2.2
	}
	return nil
}

// OnSessionEstablish begins a connection whose login was let in, before mochi looks for its session.
func (s *sessions) OnSessionEstablish(cl *mqtt.Client, connect packets.Packet) {
	s.turns.take(cl.ID)
	l := &link{
		clientID: cl.ID,
		session:  s.begin(cl.ID),
		window:   int(s.server.Options.Capabilities.MaximumInflight),
		hasTurn:  true,
		aliases:  topicAliases{maximum: min(connect.Properties.TopicAliasMaximum, maxTopicAliases)},
	}
	if maximum := int(connect.Properties.ReceiveMaximum); maximum > 0 {
		l.window = min(l.window, maximum)
	}
	l.session.outbox.detach(true)
	connOf(cl).acks.client = cl
	s.links.Store(cl.Net.Conn, l)
}

// OnSessionEstablished takes the connection for the session's, after mochi has written the CONNACK.
func (s *sessions) OnSessionEstablished(cl *mqtt.Client, _ packets.Packet) {
	l := s.link(cl)
	cl.State.Inflight.ResetSendQuota(0) // 0: the outbox counts
	cl.State.Inflight.ResetReceiveQuota(math.MaxInt32)
	l.session.packetIDs.keep(cl)
	l.established.Store(true)
	l.session.outbox.attach(cl, l)
}

// holdSession keeps the next connection of the client from logging in, until resumption lets it. It is false where that one
// has done so.
func (s *sessions) holdSession(cl *mqtt.Client) bool {
	l := s.link(cl)
	s.turns.take(l.clientID)
	l.hasTurn = true
	if cl.IsTakenOver() {
		s.giveTurn(l)
		return false
	}
	return true
}

// resumption is the hook that lets the next connection log in and sends what the session has to send, when the other
// hooks know that its client is back, or what it subscribed to.
type resumption struct {
	mqtt.HookBase

	sessions *sessions
}

func (*resumption) ID() string { return "resumption" }

func (*resumption) Provides(callback byte) bool {
	return slices.Contains([]byte{mqtt.OnSessionEstablished, mqtt.OnSubscribed}, callback)
}

func (r *resumption) OnSessionEstablished(cl *mqtt.Client, _ packets.Packet) {
	l := r.sessions.link(cl)
	r.sessions.giveTurn(l)
	r.sessions.send(l.session)
}

func (r *resumption) OnSubscribed(cl *mqtt.Client, _ packets.Packet, _ []byte) {
	if l := r.sessions.link(cl); l != nil {
		r.sessions.giveTurn(l)
	}
}

// OnDisconnect has the end of the connection wait for a login that takes its session over, and that of the next
// connection wait for the end.
func (s *sessions) OnDisconnect(cl *mqtt.Client, _ error, expire bool) {
	l := s.link(cl)
	if l == nil {
		return
	}
	if !l.hasTurn {
		s.turns.take(l.clientID)
		l.hasTurn = true
	}
	if cl.IsTakenOver() {
		return
	}
	l.session.outbox.detach(false)
	if expire {
		s.forget(l.clientID)
	}
}

// OnClientExpired ends a session whose client did not come back.
func (s *sessions) OnClientExpired(cl *mqtt.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if expired := s.byID[cl.ID]; expired != nil && !expired.outbox.inUse() {
		delete(s.byID, cl.ID)
		expired.end()
	}
}

// closed forgets a connection that mochi does not serve any more.
func (s *sessions) closed(conn net.Conn) {
	value, ok := s.links.LoadAndDelete(conn)
	if !ok {
		return
	}
	l := value.(*link)
	if !l.established.Load() {
		l.session.outbox.detach(false) // the login failed
	}
	s.keeping.endPublish(l)
	s.giveTurn(l)
}

func (s *sessions) giveTurn(l *link) {
	if l.hasTurn {
		l.hasTurn = false
		s.turns.give(l.clientID)
	}
}

// link finds a client's connection; nil before its login.
func (s *sessions) link(cl *mqtt.Client) *link {
	value, ok := s.links.Load(cl.Net.Conn)
	if !ok {
		return nil
	}
	return value.(*link)
}

func (s *sessions) begin(clientID string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID[clientID] == nil {
		s.byID[clientID] = newSession(s.keeping)
	}
	return s.byID[clientID]
}

func (s *sessions) find(clientID string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byID[clientID]
}

func (s *sessions) forget(clientID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ended := s.byID[clientID]; ended != nil {
		delete(s.byID, clientID)
		ended.end()
	}
}

func newSession(k *keeping) *session {
	s := &session{kept: keptSession{keeping: k}}
	s.packetIDs.kept, s.outbox.kept = &s.kept, &s.kept
	return s
}

// end is the end of the session.
func (s *session) end() {
	s.outbox.empty()
	s.kept.end()
}
