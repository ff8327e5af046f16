package config

import (
	"strings"
	"time"
	"unicode"

	"github.com/fluxmq/webhookd/messages"
)

const (
	maxAttempts       = 1_000_000
	maxFailures       = 1_000_000
	maxMultiplier     = 100
	minDuration       = time.Millisecond
	maxDuration       = 24 * time.Hour
	minPerSecond      = 0.0001 // one request in about three hours
	maxPerSecond      = 1_000_000
	maxBurst          = 1_000_000
	minAge            = time.Second
	maxAge            = 365 * 24 * time.Hour
	maxBatchEvents    = 10_000
	minBatchBytes     = 1 << 10
	maxBatchBytes     = 64 << 20
	maxBatchWait      = time.Minute
	maxTextBytes      = 64 << 10
	maxListItems      = 1_000
	maxSigningSecrets = 10
)

// checkDeliverySettings checks what defaults, or an endpoint, says of deliveries, each key for itself. Where it inherits,
// what it does not say is left alone; what is off unless said is left alone everywhere.
func (f *findings) checkDeliverySettings(path string, e Endpoint, inherits bool) {
	f.checkTimes(path, e, inherits)
	f.checkBatch(path+".batch", e.Batch, inherits)
	f.checkSelection(path, e)
	f.checkContent(path, e, inherits)
	f.checkHeaders(path+".headers", e.Headers)
	f.checkSigningSecrets(path+".secrets", e.Secrets)
	if e.Auth != nil {
		f.checkAuth(path+".auth", *e.Auth)
	}
	f.checkTLS(path+".tls", e.TLS)
	f.checkProxy(path+".proxy", string(e.Proxy))
	f.checkPrefixes(path+".egress.allow", e.Egress.Allow)
	f.checkPrefixes(path+".egress.deny", e.Egress.Deny)
}

func (f *findings) checkTimes(path string, e Endpoint, inherits bool) {
	checkRange(f, path+".timeout", e.Timeout, minDuration, maxDuration, inherits)
	checkRange(f, path+".retry.max_attempts", e.Retry.MaxAttempts, 1, maxAttempts, inherits)
	checkRange(f, path+".retry.initial_interval", e.Retry.InitialInterval, minDuration, maxDuration, inherits)
	checkRange(f, path+".retry.max_interval", e.Retry.MaxInterval, minDuration, maxDuration, inherits)
	checkRange(f, path+".retry.multiplier", e.Retry.Multiplier, 1, maxMultiplier, inherits)
	checkRange(f, path+".retry.max_retry_after", e.Retry.MaxRetryAfter, minDuration, maxDuration, inherits)
	checkRange(f, path+".retry.give_up_after", e.Retry.GiveUpAfter, minDuration, maxAge, inherits)
	checkRange(f, path+".circuit_breaker.failure_threshold", e.CircuitBreaker.FailureThreshold, 1, maxFailures, inherits)
	if threshold := e.CircuitBreaker.RejectionThreshold; threshold != NoRejectionThreshold {
		checkRange(f, path+".circuit_breaker.rejection_threshold", threshold, 1, maxFailures, inherits)
	}
	checkRange(f, path+".circuit_breaker.reset_timeout", e.CircuitBreaker.ResetTimeout, minDuration, maxDuration, inherits)
	checkRange(f, path+".rate_limit.per_second", e.RateLimit.PerSecond, minPerSecond, maxPerSecond, true)
	checkRange(f, path+".rate_limit.burst", e.RateLimit.Burst, 1, maxBurst, true)
	checkRange(f, path+".max_age", e.MaxAge, minAge, maxAge, true)
}

func (f *findings) checkBatch(path string, b Batch, inherits bool) {
	checkRange(f, path+".max_events", b.MaxEvents, 1, maxBatchEvents, inherits)
	checkRange(f, path+".max_bytes", b.MaxBytes, minBatchBytes, maxBatchBytes, inherits)
	checkRange(f, path+".max_wait", b.MaxWait, minDuration, maxBatchWait, inherits)
}

// checkSelection leaves what the expression means to who evaluates it.
func (f *findings) checkSelection(path string, e Endpoint) {
	f.checkCount(path+".client_ids", len(e.ClientIDs), maxListItems)
	for i, glob := range e.ClientIDs {
		if _, err := messages.ParseGlob(glob); err != nil {
			f.report(joinIndex(path+".client_ids", i), "%v", err)
		}
	}
	if e.When != "" {
		f.checkText(path+".when", e.When, maxTextBytes)
	}
}

// checkSigningSecrets leaves their form to who signs.
func (f *findings) checkSigningSecrets(path string, secrets []Secret) {
	f.checkCount(path, len(secrets), maxSigningSecrets)
	for i, secret := range secrets {
		f.checkText(joinIndex(path, i), string(secret), MaxSecretFileBytes)
	}
}

// checkText checks a text that has to say something, and shows nothing of it.
func (f *findings) checkText(path, text string, maxBytes int) {
	if strings.TrimSpace(text) == "" {
		f.report(path, "is empty")
		return
	}
	f.checkBytes(path, text, maxBytes)
}

func (f *findings) checkBytes(path, text string, maxBytes int) {
	if len(text) > maxBytes {
		f.report(path, "has %d bytes, and at most %d are allowed", len(text), maxBytes)
	}
}

func (f *findings) checkCount(path string, count, most int) {
	if count > most {
		f.report(path, "has %d items, and at most %d are allowed", count, most)
	}
}

func (f *findings) checkPath(path string, file Path) {
	if strings.ContainsFunc(string(file), unicode.IsControl) {
		f.report(path, "has a control character")
	}
}
