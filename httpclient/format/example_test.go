package format_test

import (
	"fmt"
	"net/url"
	"time"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/httpclient/format"
	"github.com/fluxmq/webhookd/messages"
)

// What an endpoint's configuration and an event make of a request, without sending it.
func ExampleNew() {
	endpoint := config.Endpoint{
		URL:      "https://fleet.example/api?key=1",
		Events:   []string{"client.connected"},
		Format:   config.FormatTemplate,
		Template: config.Template{Body: `{"online": {{json .data.client_id}}}`},
		Request:  config.Request{Method: "PUT", Path: "/devices/{{.data.client_id}}/state"},
	}
	address, err := url.Parse(endpoint.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	toContent, err := format.New(endpoint, address)
	if err != nil {
		fmt.Println(err)
		return
	}
	event := messages.NewEnvelope(&messages.ClientConnected{ClientID: "pump 7", Protocol: messages.ProtocolMQTT5})
	if err := event.Admit(messages.Admission{}, time.Now()); err != nil {
		fmt.Println(err)
		return
	}

	content, err := toContent([]*messages.Envelope{event})
	if err != nil {
		fmt.Println(err)
		return
	}

	fmt.Println(content.Method, content.URL)
	fmt.Println(content.Header.Get("Content-Type"))
	fmt.Println(string(content.Body))
	// Output:
	// PUT https://fleet.example/devices/pump%207/state?key=1
	// application/json
	// {"online": "pump 7"}
}
