package config

import (
	"encoding/base64"
	"time"
)

// What a number may be. The upper bounds are far beyond any sense: they catch slips.
const (
	maxNameBytes    = 128
	maxQueueSize    = 10_000_000
	minQueueBytes   = 64 << 10
	maxQueueBytes   = 1 << 40
	maxWorkers      = 10_000
	maxPayloadBytes = 256 << 20 // MQTT 5.0 §1.5.5: no packet is larger
	maxAttempts     = 1_000_000
	maxFailures     = 1_000_000
	maxMultiplier   = 100
	minDuration     = time.Millisecond
	maxDuration     = 24 * time.Hour
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
	f.checkRelations(path, path+".defaults", changed, shared(w))
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
	f.checkRelations(path, path, given, resolved)
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

func (f *findings) checkDeliverySettings(path string, e Endpoint, inherits bool) {
	checkRange(f, path+".timeout", e.Timeout, minDuration, maxDuration, inherits)
	checkRange(f, path+".retry.max_attempts", e.Retry.MaxAttempts, 1, maxAttempts, inherits)
	checkRange(f, path+".retry.initial_interval", e.Retry.InitialInterval, minDuration, maxDuration, inherits)
	checkRange(f, path+".retry.max_interval", e.Retry.MaxInterval, minDuration, maxDuration, inherits)
	checkRange(f, path+".retry.multiplier", e.Retry.Multiplier, 1, maxMultiplier, inherits)
	checkRange(f, path+".retry.max_retry_after", e.Retry.MaxRetryAfter, minDuration, maxDuration, inherits)
	checkRange(f, path+".circuit_breaker.failure_threshold", e.CircuitBreaker.FailureThreshold, 1, maxFailures, inherits)
	checkRange(f, path+".circuit_breaker.reset_timeout", e.CircuitBreaker.ResetTimeout, minDuration, maxDuration, inherits)
}

// checkRelations checks the resolved settings against each other. It reports the one of two that was given, and
// nothing where neither was: then they are wrong where they come from.
func (f *findings) checkRelations(queuePath, deliveryPath string, given, resolved Endpoint) {
	if workers, size := resolved.Workers, resolved.QueueSize; workers > size && size >= MinQueueSize {
		if given.Workers != 0 {
			f.report(queuePath+".workers", "is %d, more than queue_size, which is %d", workers, size)
		} else if given.QueueSize != 0 {
			f.report(queuePath+".queue_size", "is %d, less than workers, which is %d", size, workers)
		}
	}
	if initial, longest := resolved.Retry.InitialInterval, resolved.Retry.MaxInterval; initial > longest && longest >= minDuration {
		if given.Retry.InitialInterval != 0 {
			f.report(deliveryPath+".retry.initial_interval", "is %v, more than max_interval, which is %v", initial, longest)
		} else if given.Retry.MaxInterval != 0 {
			f.report(deliveryPath+".retry.max_interval", "is %v, less than initial_interval, which is %v", longest, initial)
		}
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
	unset(&changed.Workers, standard.Workers)
	unset(&changed.QueueSize, standard.QueueSize)
	unset(&changed.QueueBytes, standard.QueueBytes)
	unset(&changed.Retry.InitialInterval, standard.Retry.InitialInterval)
	unset(&changed.Retry.MaxInterval, standard.Retry.MaxInterval)
	return changed
}

func unset[T comparable](field *T, standard T) {
	if *field == standard {
		var zero T
		*field = zero
	}
}
