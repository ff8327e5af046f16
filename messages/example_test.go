package messages_test

import (
	"fmt"

	"github.com/fluxmq/webhookd/messages"
)

// "#" is the rest, and the parent too.
func ExampleParseTopicFilter() {
	filter, err := messages.ParseTopicFilter("sport/+/score/#")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, topic := range []string{"sport/tennis/score", "sport/tennis/score/set/1", "sport/tennis"} {
		fmt.Println(topic, filter.Matches(topic))
	}
	// Output:
	// sport/tennis/score true
	// sport/tennis/score/set/1 true
	// sport/tennis false
}
