package mqttbroker

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"slices"
	"strings"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// access is the hook that decides: who may connect, and who may publish and subscribe where.
type access struct {
	mqtt.HookBase

	server   *mqtt.Server
	hook     *Hook
	quotas   *quotas
	accounts accounts
	rules    *accessRules // nil: everything is allowed
}

func (*access) ID() string { return "access" }

func (*access) Provides(callback byte) bool {
	return slices.Contains([]byte{
		mqtt.OnConnectAuthenticate, mqtt.OnSessionEstablish, mqtt.OnACLCheck, mqtt.OnClientExpired,
	}, callback)
}

func (a *access) OnConnectAuthenticate(cl *mqtt.Client, pk packets.Packet) bool {
	return a.accounts.admit(string(pk.Connect.Username), pk.Connect.Password) && a.quotas.admitSession(cl, &pk)
}

// OnSessionEstablish discards a will that the client may not publish; mochi would publish it unasked.
func (a *access) OnSessionEstablish(cl *mqtt.Client, _ packets.Packet) {
	if cl.Properties.Will.Flag == 0 {
		return
	}
	topic := cl.Properties.Will.TopicName
	switch {
	case !mqtt.IsValidFilter(topic, true):
		a.hook.publishDenied(cl, topic, packets.ErrTopicNameInvalid.Reason)
	case !a.OnACLCheck(cl, topic, true):
		a.hook.publishDenied(cl, topic, reasonNotAuthorized)
	default:
		return
	}
	cl.Properties.Will = mqtt.Will{}
}

// OnACLCheck decides on a topic to publish to (write), and on a topic or filter to receive.
func (a *access) OnACLCheck(cl *mqtt.Client, topic string, write bool) bool {
	if write {
		return a.rules == nil || a.rules.allowPublish(string(cl.Properties.Username), topic)
	}
	allowed := a.rules == nil || a.rules.allowSubscribe(string(cl.Properties.Username), topic)
	return allowed && a.quotas.admits(cl, topic)
}

// OnClientExpired ends the subscriptions of an expired session, which mochi would leave in its index.
func (a *access) OnClientExpired(cl *mqtt.Client) {
	a.server.UnsubscribeClient(cl)
}

// accounts are the hashed passwords by user name, so that all have the same length; empty, everybody may connect.
type accounts map[string][sha256.Size]byte

func newAccounts(users []config.User) (accounts, error) {
	accounts := accounts{}
	for i, user := range users {
		if user.Username == "" {
			return nil, fmt.Errorf("users[%d].username: is required", i)
		}
		if user.Password == "" {
			return nil, fmt.Errorf("users[%d].password: is required", i)
		}
		if _, twice := accounts[user.Username]; twice {
			return nil, fmt.Errorf("users[%d].username: %q is there twice", i, user.Username)
		}
		accounts[user.Username] = sha256.Sum256([]byte(user.Password))
	}
	return accounts, nil
}

// admit takes as long for a wrong password as for the right one.
func (a accounts) admit(username string, password []byte) bool {
	if len(a) == 0 {
		return true
	}
	want, known := a[username]
	given := sha256.Sum256(password)
	return subtle.ConstantTimeCompare(given[:], want[:]) == 1 && known
}

// accessRules are the topic filters that are allowed: to everybody, and to each user besides.
type accessRules struct {
	everybody grants
	users     map[string]*grants
}

type grants struct {
	publish   []messages.TopicFilter
	subscribe []messages.TopicFilter
}

// newAccessRules compiles the rules; without one it returns nil.
func newAccessRules(acl []config.ACLRule, accounts accounts) (*accessRules, error) {
	if len(acl) == 0 {
		return nil, nil
	}
	rules := &accessRules{users: map[string]*grants{}}
	for i, rule := range acl {
		granted := &rules.everybody
		if rule.Username != "" {
			// Without this a rule would hold for whoever claims the name, where there are no users.
			if _, known := accounts[rule.Username]; !known {
				return nil, fmt.Errorf("acl[%d].username: %q is not among the users", i, rule.Username)
			}
			if rules.users[rule.Username] == nil {
				rules.users[rule.Username] = &grants{}
			}
			granted = rules.users[rule.Username]
		}
		if err := appendFilters(&granted.publish, rule.Publish); err != nil {
			return nil, fmt.Errorf("acl[%d].publish%w", i, err)
		}
		if err := appendFilters(&granted.subscribe, rule.Subscribe); err != nil {
			return nil, fmt.Errorf("acl[%d].subscribe%w", i, err)
		}
	}
	return rules, nil
}

func appendFilters(filters *[]messages.TopicFilter, texts []string) error {
	for i, text := range texts {
		filter, err := messages.ParseTopicFilter(text)
		if err != nil {
			return fmt.Errorf("[%d]: %q %w", i, text, err)
		}
		*filters = append(*filters, filter)
	}
	return nil
}

func (r *accessRules) allowPublish(username, topic string) bool {
	matches := func(f messages.TopicFilter) bool { return f.Matches(topic) }
	user := r.users[username]
	return slices.ContainsFunc(r.everybody.publish, matches) || user != nil && slices.ContainsFunc(user.publish, matches)
}

// allowSubscribe judges the filter of a subscription: one allowed filter must cover it. A shared subscription is judged
// by its filter (MQTT 5.0 §4.8.2).
func (r *accessRules) allowSubscribe(username, filter string) bool {
	filter = (&messages.SubscriptionCreated{TopicFilter: filter}).RoutingTopic()
	covering := func(f messages.TopicFilter) bool { return covers(f.String(), filter) }
	user := r.users[username]
	return slices.ContainsFunc(r.everybody.subscribe, covering) || user != nil && slices.ContainsFunc(user.subscribe, covering)
}

// covers tells whether every topic that the requested filter matches is matched by the allowed one too (MQTT 5.0 §4.7).
// A topic name is a filter that matches itself.
func covers(allowed, requested string) bool {
	if requested == "" || requested[0] == '$' && (allowed[0] == '+' || allowed[0] == '#') {
		return false
	}
	if requested == "#" {
		requested = "+/#" // the same: every topic has a first level
	}
	for {
		allowedLevel, allowedRest, allowedMore := strings.Cut(allowed, "/")
		requestedLevel, requestedRest, requestedMore := strings.Cut(requested, "/")
		switch {
		case allowedLevel == "#":
			return true
		case requestedLevel == "#", allowedLevel != "+" && allowedLevel != requestedLevel:
			return false
		case !allowedMore:
			return !requestedMore
		case !requestedMore:
			return allowedRest == "#"
		}
		allowed, requested = allowedRest, requestedRest
	}
}
