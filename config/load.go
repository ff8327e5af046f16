package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// MaxFileBytes is the largest configuration file that is read.
const MaxFileBytes = 1 << 20

// fluxMQSections are the sections of a FluxMQ configuration file that say nothing to this program.
var fluxMQSections = []string{
	"auth", "broker", "cluster", "hooks", "queue_manager", "queues", "ratelimit", "server", "session", "storage",
}

// Load reads the configuration file at path, as Parse does its text.
func Load(path string) (Config, []string, error) {
	config, notes, problems, err := LoadDraft(path)
	if err != nil {
		return Config{}, nil, err
	}
	return finished(config, notes, problems)
}

// LoadDraft is Load for who looks for what else is wrong: beside the Errors, it returns what could be read. What could not
// has its default.
func LoadDraft(path string) (Config, []string, Errors, error) {
	file, err := os.Open(path)
	if err != nil {
		return Config{}, nil, nil, fmt.Errorf("read the configuration: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, MaxFileBytes+1))
	if err != nil {
		return Config{}, nil, nil, fmt.Errorf("read the configuration: %w", err)
	}
	config, notes, problems := parse(path, text)
	return config, notes, problems, nil
}

// Parse reads a configuration from the text of a YAML file. What the text leaves out is as in Default; environment
// variables and the files of secrets are read now. Name is the file's path: errors begin with it, and a relative path
// within the text is relative to its directory.
//
// The strings are notes for the log. The error is Errors, with everything that is wrong at once.
func Parse(name string, text []byte) (Config, []string, error) {
	return finished(parse(name, text))
}

func finished(config Config, notes []string, problems Errors) (Config, []string, error) {
	if len(problems) > 0 {
		return Config{}, nil, problems
	}
	return config, notes, nil
}

func parse(name string, text []byte) (Config, []string, Errors) {
	d := &decoder{source: source{file: name, places: map[string]place{}}}
	config := Default()
	root, problems := parseYAML(name, text)
	if problems != nil {
		return config, nil, problems
	}
	config.BrokerID = ""
	d.decodeFile(root, &config)
	d.adapt(&config)

	d.addConsequent(config.Validate())
	config.source = &d.source
	return config, d.notes(), d.located()
}

// adapt gives the values of a file the meaning that its place and its other sections give them.
func (d *decoder) adapt(c *Config) {
	if c.BrokerID == "" {
		c.BrokerID = DefaultBrokerID
		if id := d.nodeID(); id != nil && id.Value != "" {
			c.BrokerID = id.Value
			d.places["broker_id"] = placeOf(id)
		}
	}
	if c.Sources.MQTTBroker != nil {
		*c.Sources.MQTTBroker = c.Sources.MQTTBroker.Complete()
	}
}

// nodeID is FluxMQ's cluster.node_id; nil where the file has none.
func (d *decoder) nodeID() *yaml.Node {
	cluster := follow(d.leftAlone["cluster"])
	if cluster == nil || cluster.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(cluster.Content); i += 2 {
		if value := follow(cluster.Content[i+1]); cluster.Content[i].Value == "node_id" &&
			value.Kind == yaml.ScalarNode && !isNull(value) {
			return value
		}
	}
	return nil
}

func (d *decoder) notes() []string {
	if len(d.leftAlone) == 0 {
		return nil
	}
	var names []string
	for name := range d.leftAlone {
		names = append(names, name)
	}
	slices.Sort(names)
	return []string{"other sections of this file are left alone: " + strings.Join(names, ", ")}
}

// addConsequent adds what validation found, but for what follows from a value that could not be read.
func (d *decoder) addConsequent(err error) {
	var found Errors
	errors.As(err, &found)
	unread := map[string]bool{}
	for path := range d.reported {
		for ok := true; ok; path, ok = parentPath(path) {
			unread[path] = true
		}
	}
	for _, problem := range found {
		if !unread[problem.Path] && !d.isBelowReported(problem.Path) {
			d.problems = append(d.problems, problem)
		}
	}
}

func (d *decoder) isBelowReported(path string) bool {
	for ok := true; ok; path, ok = parentPath(path) {
		if d.reported[path] {
			return true
		}
	}
	return false
}
