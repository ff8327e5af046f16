package template

import (
	"errors"
	"fmt"
	"reflect"
	"text/template"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// trial is a sample of events, of which a template has to make what it should.
type trial struct {
	about string // what the sample stands for, after the event type
	text  string // in each field that is a text
	full  bool   // whether fields that may be left out are there
}

var trials = []trial{
	{"", "sample", true},
	{" without its optional fields", "sample", false},
	{" whose texts have quotes, line breaks and the like", "\"\\\n\t<>&'`%/?#+;=: ü€😀\u2028", true},
}

// Try renders the template for samples of each event type, and checks what comes of it, so that what is wrong with a
// template is found when it is loaded. In the samples no payload can be parsed: what publishers send there is not known. It
// fails with a *config.KeyError.
func (t *Template) Try(types []messages.Type, check func(rendered []byte) error) error {
	copied, err := t.template.Clone()
	if err != nil {
		return &config.KeyError{Key: t.key, Err: err}
	}
	tried := *t
	tried.template = copied.Funcs(template.FuncMap{"parseJSON": parseNothing})
	for _, eventType := range types {
		for _, trial := range trials {
			rendered, err := tried.Render(trial.sample(eventType))
			if err == nil {
				err = check(rendered)
			}
			if err != nil && !errors.Is(err, errUnknownPayload) {
				err = fmt.Errorf("fails for a %s%s: %s", eventType, trial.about, afterKey(err))
				return &config.KeyError{Key: t.key, Err: err}
			}
		}
	}
	return nil
}

// afterKey is the text of an error without the template's key, which a KeyError says itself.
func afterKey(err error) string {
	var render *renderError
	if errors.As(err, &render) {
		return render.text
	}
	var bound *boundError
	if errors.As(err, &bound) {
		return "it " + bound.text
	}
	return err.Error()
}

var errUnknownPayload = errors.New("the payload of a sample is not known")

func parseNothing(any) (any, error) { return nil, errUnknownPayload }

func (s trial) sample(eventType messages.Type) map[string]any {
	data := map[string]any{}
	for _, field := range messages.Fields(eventType) {
		data[field.Name] = fieldValue(s.value(field))
	}
	return map[string]any{
		"event_type": eventType.String(),
		"event_id":   "550e8400-e29b-41d4-a716-446655440000",
		"timestamp":  "2026-01-02T03:04:05.000000006Z",
		"broker_id":  s.text,
		"data":       data,
	}
}

func (s trial) value(field messages.Field) any {
	value := reflect.New(field.Kind).Elem()
	switch {
	case !s.full && field.Kind.Kind() != reflect.String, !s.full && field.Name == "content_type":
		// The zero value: a text is there in every event, but for the content type.
	case field.Kind == reflect.TypeFor[[]messages.UserProperty]():
		value.Set(reflect.ValueOf([]messages.UserProperty{{Name: s.text, Value: s.text}}))
	case field.Kind == reflect.TypeFor[[]byte]():
		value.SetBytes([]byte(s.text))
	case value.Kind() == reflect.String:
		value.SetString(s.text)
	case value.CanInt():
		value.SetInt(1)
	case value.CanUint():
		value.SetUint(1)
	case value.Kind() == reflect.Bool:
		value.SetBool(true)
	}
	return value.Interface()
}
