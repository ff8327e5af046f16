package config

// What to add to a configuration that would do nothing.
const (
	addEnabled = `webhook:
  enabled: true
`
	addEndpoint = `webhook:
  endpoints:
    - name: example
      url: https://example.com/webhook
`
	addSource = `sources:
  mqtt_broker:
    listen: ` + DefaultMQTTListen + `
  ingest:
    listen: ` + DefaultIngestListen + `
`
)

// IdleReason is why a program with a configuration would deliver nothing, however long it ran.
type IdleReason struct {
	Reason string // "no source of events is configured"
	Add    string // lines of YAML that change it
}

// IdleReasons is empty for a configuration that delivers events. A Go program that hands its events over itself needs
// no source, and may leave that reason aside.
func (c Config) IdleReasons() []IdleReason {
	var reasons []IdleReason
	if !c.Webhook.Enabled {
		reasons = append(reasons, IdleReason{"webhook.enabled is false", addEnabled})
	}
	if len(c.Webhook.Endpoints) == 0 {
		reasons = append(reasons, IdleReason{"no endpoint is configured", addEndpoint})
	}
	if c.Sources.MQTTBroker == nil && c.Sources.Ingest == nil {
		reasons = append(reasons, IdleReason{"no source of events is configured: add one of these, or both", addSource})
	}
	return reasons
}
