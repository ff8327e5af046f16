package config_test

import (
	"fmt"

	"github.com/fluxmq/webhookd/config"
)

// What is wrong is told with its place, all at once.
func ExampleParse() {
	_, _, err := config.Parse("webhookd.yml", []byte(`webhook:
  enabled: true
  workers: many
  endpoints:
    - {name: a, url: "http://127.0.0.1:8888/", topic_filter: ["sensors/#"]}
`))
	fmt.Println(err)
	// Output:
	// webhookd.yml:3:3: webhook.workers: is "many", not a whole number within range
	// webhookd.yml:5:48: webhook.endpoints[0].topic_filter: is no key of this configuration (did you mean "topic_filters"?)
}
