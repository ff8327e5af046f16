package format

import (
	"cmp"
	"fmt"
	"net/http"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/httpclient/format/template"
	"github.com/fluxmq/webhookd/messages"
)

const templateBodyKey = "template.body"

// bodyTemplate is the template of a body, and what has to hold of what it renders to.
type bodyTemplate struct {
	template *template.Template
	check    func(rendered []byte) error
	header   http.Header
}

// templateFormat sends what endpoint.Template renders to. Where its Content-Type is JSON the body has to be that.
func templateFormat(endpoint config.Endpoint) (Format, error) {
	contentType := cmp.Or(endpoint.Template.ContentType, jsonContentType)
	types, err := config.ParseEvents(endpoint.Events)
	if err != nil {
		return nil, err
	}
	compiled, err := template.Parse(templateBodyKey, string(endpoint.Template.Body), template.MaxBytes, nil)
	if err != nil {
		return nil, err
	}
	body := bodyTemplate{compiled, func([]byte) error { return nil }, contentTypeHeader(contentType)}
	if isJSON(contentType) {
		body.check = checkTemplateJSON
	}
	return body.content, compiled.Try(types, body.check)
}

func (b bodyTemplate) content(events []*messages.Envelope) (Content, error) {
	event, err := template.Event(events[0])
	if err != nil {
		return Content{}, err
	}
	rendered, err := b.template.Render(event)
	if err != nil {
		return Content{}, err
	}
	if err := b.check(rendered); err != nil {
		return Content{}, fmt.Errorf("%s: %w", templateBodyKey, err)
	}
	return Content{Header: b.header, Body: rendered}, nil
}

func checkTemplateJSON(rendered []byte) error {
	if err := checkJSON(rendered); err != nil {
		return fmt.Errorf("what it renders to is %w: write texts as {{json .data.client_id}}, without quotes around", err)
	}
	return nil
}
