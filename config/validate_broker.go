package config

import (
	"slices"
	"strings"

	"github.com/fluxmq/webhookd/messages"
)

func (f *findings) checkMQTTBroker(path string, b MQTTBroker) {
	f.checkAddress(path+".listen", b.Listen)
	if b.WebSocketListen != "" {
		f.checkAddress(path+".websocket_listen", b.WebSocketListen)
	}
	f.checkHosts(path+".allowed_hosts", b.AllowedHosts)
	f.checkServerTLS(path+".tls", b.TLS)
	f.checkMQTTBounds(path, b)
	paths := map[string]string{}
	var usernames []string
	for i, user := range b.Users {
		userPath := joinIndex(path+".users", i)
		f.checkUser(userPath, user)
		f.checkUnique(userPath+".username", user.Username, paths)
		usernames = append(usernames, user.Username)
	}
	for i, rule := range b.ACL {
		f.checkACLRule(joinIndex(path+".acl", i), rule, usernames)
	}
}

// What an embedded broker may take up: with less no packet of 1 MiB fits in, more is a slip.
const (
	minMQTTBytes      = 64 << 20
	maxMQTTBytes      = 1 << 40
	minMQTTOwnBytes   = 1152 << 10 // a packet of 1 MiB, and what is kept beside it
	maxMQTTConnecting = 1_000_000
)

func (f *findings) checkMQTTBounds(path string, b MQTTBroker) {
	complete := b.Complete()
	checkRange(f, path+".max_bytes", b.MaxBytes, minMQTTBytes, maxMQTTBytes, true)
	checkRange(f, path+".max_connecting", b.MaxConnecting, 1, maxMQTTConnecting, true)
	if complete.MaxBytes < minMQTTBytes {
		return
	}
	for _, part := range []struct {
		key   string
		value ByteSize
		share ByteSize // of max_bytes, at most
	}{
		{"max_client_bytes", complete.MaxClientBytes, 32},
		{"max_queue_bytes", complete.MaxQueueBytes, 16},
		{"max_retained_bytes", complete.MaxRetainedBytes, 4},
	} {
		switch most := complete.MaxBytes / part.share; {
		case part.value < minMQTTOwnBytes:
			f.report(path+"."+part.key, "is %v, and at least %v is needed", part.value, ByteSize(minMQTTOwnBytes))
		case part.value > most:
			f.report(path+"."+part.key, "is %v, and with max_bytes of %v at most %v is allowed", part.value, complete.MaxBytes, most)
		}
	}
}

func (f *findings) checkServerTLS(path string, t ServerTLS) {
	f.checkPath(path+".cert_file", t.CertFile)
	f.checkPath(path+".key_file", t.KeyFile)
	f.checkPath(path+".client_ca_file", t.ClientCAFile)
	switch {
	case t.CertFile != "" && t.KeyFile == "":
		f.report(path+".key_file", "is required beside cert_file")
	case t.CertFile == "" && t.KeyFile != "":
		f.report(path+".cert_file", "is required beside key_file")
	case t.CertFile == "" && t.ClientCAFile != "":
		f.report(path+".cert_file", "is required beside client_ca_file")
	}
}

func (f *findings) checkUser(path string, u User) {
	switch {
	case u.Username == "":
		f.report(path+".username", "is required")
	case len(u.Username) > messages.MaxTopicBytes || strings.ContainsRune(u.Username, 0):
		f.report(path+".username", "is no text that MQTT can carry (MQTT 5.0 §1.5.4)")
	}
	if u.Password == "" {
		f.report(path+".password", "is required")
	}
}

func (f *findings) checkACLRule(path string, rule ACLRule, usernames []string) {
	if rule.Username != "" && !slices.Contains(usernames, rule.Username) {
		f.report(path+".username", "is %s, which is none of the users%s", quote(rule.Username), suggestion(rule.Username, usernames))
	}
	if len(rule.Publish) == 0 && len(rule.Subscribe) == 0 {
		f.report(path, "allows nothing: give it publish or subscribe, a list of topic filters")
	}
	f.checkFilters(path+".publish", rule.Publish)
	f.checkFilters(path+".subscribe", rule.Subscribe)
}
