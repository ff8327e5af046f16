package config

import (
	"encoding/base64"
	"reflect"
	"time"
)

// What a number may be. The upper bounds are far beyond any sense: they catch slips.
const (
	maxNameBytes    = 128
	maxQueueSize    = 1_000_000_000
	minQueueBytes   = 64 << 10
	maxQueueBytes   = 1 << 40
	maxWorkers      = 10_000
	maxPayloadBytes = 256 << 20 // MQTT 5.0 §1.5.5: no packet is larger
	maxShutdown     = time.Hour

	// eventBytes is room for what an event has beside its payload: a topic name of MaxTopicBytes, and the envelope.
	eventBytes = 72 << 10
)

// checkSettings checks what the webhook section says for all endpoints.
func (f *findings) checkSettings(path string, w Webhook) {
	f.checkQueueSettings(path, shared(w), false)
	checkRange(f, path+".max_payload_bytes", w.MaxPayloadBytes, 1, maxPayloadBytes, false)
	checkRange(f, path+".shutdown_timeout", w.ShutdownTimeout, minDuration, maxShutdown, false)
	f.checkDeliverySettings(path+".defaults", shared(w), false)
	changed := changedSettings(w)
	f.checkRelations(relations{path, path + ".defaults", changed, shared(w)}, w)
	if need := neededBytes(w); w.QueueBytes < need && changed.QueueBytes == 0 {
		f.report(path+".max_payload_bytes", "is %v, and an event with such a payload needs queue_bytes of %v", w.MaxPayloadBytes, need)
	} else {
		f.checkQueueBytes(path, changed, w)
	}
}

// checkOverrides checks what an endpoint says in place of the webhook section, and together with what it inherits.
func (f *findings) checkOverrides(path string, given, resolved Endpoint, w Webhook) {
	f.checkQueueSettings(path, given, true)
	f.checkDeliverySettings(path, given, true)
	f.checkRelations(relations{path, path, given, resolved}, w)
	f.checkUse(path, given, resolved, w.Defaults)
	f.checkQueueBytes(path, given, w)
}

func (f *findings) checkQueueSettings(path string, e Endpoint, inherits bool) {
	checkRange(f, path+".queue_size", e.QueueSize, MinQueueSize, maxQueueSize, inherits)
	checkRange(f, path+".queue_bytes", e.QueueBytes, minQueueBytes, maxQueueBytes, inherits)
	checkRange(f, path+".workers", e.Workers, 1, maxWorkers, inherits)
	if !inherits || e.DropPolicy != "" {
		f.checkChoice(path+".drop_policy", string(e.DropPolicy), string(DropOldest), string(DropNewest))
	}
}

// checkQueueBytes checks that the largest event fits into a queue of its own size bound.
func (f *findings) checkQueueBytes(path string, given Endpoint, w Webhook) {
	if need := neededBytes(w); given.QueueBytes != 0 && given.QueueBytes < need {
		f.report(path+".queue_bytes", "is %v, and an event with a payload of max_payload_bytes, which is %v, needs %v",
			given.QueueBytes, w.MaxPayloadBytes, need)
	}
}

// neededBytes is what a queue must hold at least, in whole KiB, so that no payload within max_payload_bytes is too
// large for it.
func neededBytes(w Webhook) ByteSize {
	if !w.IncludePayload {
		return 0
	}
	payload := min(max(w.MaxPayloadBytes, 0), maxPayloadBytes)
	need := base64.StdEncoding.EncodedLen(int(payload)) + eventBytes
	return ByteSize((need + 1<<10 - 1) >> 10 << 10)
}

// shared is what all endpoints inherit, as an endpoint.
func shared(w Webhook) Endpoint {
	return w.complete(Endpoint{})
}

// changedSettings is shared without what is as in Default, which nobody wrote.
func changedSettings(w Webhook) Endpoint {
	changed, standard := shared(w), shared(Default().Webhook)
	withdraw(reflect.ValueOf(&changed).Elem(), reflect.ValueOf(standard))
	return changed
}

// withdraw goes into sections, as inheritField does.
func withdraw(field, standard reflect.Value) {
	if field.Kind() == reflect.Struct {
		for i := range field.NumField() {
			withdraw(field.Field(i), standard.Field(i))
		}
	} else if reflect.DeepEqual(field.Interface(), standard.Interface()) {
		field.SetZero()
	}
}
