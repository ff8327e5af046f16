package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fluxmq/webhookd/messages"
)

// takesOne tells that a request of the format carries one event.
func (f Format) takesOne() bool {
	return f == FormatCloudEventsBinary || f == FormatTemplate || f == FormatRaw
}

// checkFormats checks what the format asks of other settings.
func (f *findings) checkFormats(r relations, w Webhook) {
	format := r.resolved.Format
	said := candidate{given: r.given.Format != "", path: r.deliveryPath + ".format"}
	if format.takesOne() && r.resolved.Batch.Batches() {
		said.message = fmt.Sprintf("is %s, of which a request carries one event, and batch.max_events is %d", format, r.resolved.Batch.MaxEvents)
		f.blame(said, candidate{r.given.Batch.MaxEvents != 0, r.deliveryPath + ".batch.max_events",
			fmt.Sprintf("is %d, and with format %s a request carries one event", r.resolved.Batch.MaxEvents, format)})
	}
	if format != FormatRaw {
		return
	}
	if !w.IncludePayload {
		said.message = "is raw, which sends payloads, and webhook.include_payload is false"
		f.blame(said)
	}
	for _, name := range headerNames(r.resolved.Headers) {
		if strings.HasPrefix(strings.ToLower(name), rawHeaderPrefix) {
			said.message = fmt.Sprintf("is raw, which itself sets headers that begin with %s, and headers has %s", rawHeaderPrefix, quote(name))
			_, given := r.given.Headers[name]
			f.blame(candidate{given, joinKey(r.deliveryPath+".headers", name),
				"is a header that webhookd itself sets with format raw"}, said)
		}
	}
}

// checkRequestOfOne checks that what depends on an event is asked of requests that carry one.
func (f *findings) checkRequestOfOne(r relations) {
	if !r.resolved.Batch.Batches() || !r.resolved.Request.isSaid() {
		return
	}
	f.blame(
		candidate{r.given.Request.isSaid(), r.deliveryPath + ".request",
			fmt.Sprintf("says where the request of one event goes, and batch.max_events is %d", r.resolved.Batch.MaxEvents)},
		candidate{r.given.Batch.MaxEvents != 0, r.deliveryPath + ".batch.max_events",
			fmt.Sprintf("is %d, and defaults.request says where the request of one event goes", r.resolved.Batch.MaxEvents)},
	)
}

func (r Request) isSaid() bool { return r.Method != "" || r.Path != "" || len(r.Query) > 0 }

// checkUse checks what only an endpoint can have wrong: what its format needs and no default gives it, and what it says
// itself and has no use for. To say what defaults say too is to inherit it.
func (f *findings) checkUse(path string, given, resolved Endpoint, defaults Defaults) {
	format := resolved.Format
	if format == FormatTemplate && resolved.Template.Body == "" {
		f.report(path+".template.body", "is required with format template")
	}
	if given.Template != (Template{}) && given.Template != defaults.Template && format != FormatTemplate {
		f.report(path+".template", "is for format template, and format is %s", quote(string(format)))
	}
	if format == FormatRaw && !onlyMessages(given.Events) {
		f.report(path+".events", "must be [message.published] with format raw: no other event has a payload")
	}
	if given.TLS != (TLS{}) && given.TLS != defaults.TLS && hasScheme(given.URL, "http") && !resolved.usesTLS() {
		f.report(path+".tls", "is for an https url, and url is http")
	}
	if resolved.Auth.authenticates() && hasUser(given.URL) {
		f.report(path+".url", "has a user, and auth says who sends: use one of them")
	}
}

// onlyMessages tells whether the patterns select messages that were published, and nothing else.
func onlyMessages(patterns []string) bool {
	types, err := ParseEvents(patterns)
	return err != nil || slices.Equal(types, []messages.Type{messages.TypeMessagePublished})
}
