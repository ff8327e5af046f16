package config

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxNodes bounds the values of a file, each counted as often as aliases bring it in.
const maxNodes = 200_000

// decoder puts the nodes of a file into a Config by the structs' yaml tags. Unlike yaml.v3's own it goes on after a
// problem, keeps the place of every path, expands environment variables, and refuses what would be misunderstood.
type decoder struct {
	findings
	source
	leftAlone map[string]*yaml.Node // FluxMQ's sections
	nodes     int
}

func (d *decoder) decodeFile(root *yaml.Node, config *Config) {
	if root == nil || isNull(root) {
		return
	}
	d.places[""] = placeOf(root)
	d.decode(root, "", reflect.ValueOf(config).Elem())
}

// decode puts the node into the target. A node that is null leaves the target as it is, but turns a section on.
func (d *decoder) decode(node *yaml.Node, path string, target reflect.Value) {
	node = follow(node)
	if !d.count() {
		return
	}
	if node.Style&yaml.TaggedStyle != 0 {
		d.report(path, "has a YAML tag, which no value here takes: quote a text that begins with \"!\"")
		return
	}
	if target.Kind() == reflect.Pointer {
		target.Set(newSection(target.Type()))
		target = target.Elem()
	}
	if target.Type() == reflect.TypeFor[Secret]() {
		d.decodeSecret(node, path, target)
		return
	}
	if isNull(node) {
		return
	}
	switch target.Kind() {
	case reflect.Struct:
		d.decodeStruct(node, path, target)
	case reflect.Map:
		d.decodeMap(node, path, target)
	case reflect.Slice:
		d.decodeList(node, path, target)
	default:
		d.decodeScalar(node, path, target)
	}
}

// count tells whether the file is still within maxNodes.
func (d *decoder) count() bool {
	d.nodes++
	if d.nodes > maxNodes {
		d.report("", "has more than %d values, counted as often as its aliases bring them in", maxNodes)
	}
	return d.nodes <= maxNodes
}

// newSection is a section that is on, with its defaults.
func newSection(pointer reflect.Type) reflect.Value {
	section := reflect.New(pointer.Elem())
	switch section := section.Interface().(type) {
	case *MQTTBroker:
		section.Listen = DefaultMQTTListen
	case *Ingest:
		section.Listen, section.MaxBodyBytes = DefaultIngestListen, DefaultMaxBodyBytes
	case *Admin:
		section.Listen = DefaultAdminListen
	}
	return section
}

func (d *decoder) decodeStruct(node *yaml.Node, path string, target reflect.Value) {
	keys := yamlKeys(target.Type())
	for _, entry := range d.entries(node, path) {
		if field := slices.Index(keys, entry.key); field >= 0 {
			d.decode(entry.value, entry.path, target.Field(field))
			continue
		}
		if path == "" && slices.Contains(fluxMQSections, entry.key) {
			d.leaveAlone(entry)
			continue
		}
		if successor, ok := gone[entry.path]; ok {
			d.report(entry.path, "%s", successor)
			continue
		}
		known := keys
		if path == "" {
			known = slices.Concat(keys, fluxMQSections)
		}
		d.reportUnknown(entry, path, known)
	}
}

// gone are keys of earlier versions, by their path, and what is in their place.
var gone = map[string]string{
	"dead_letters.dir": "is no key any more: dead letters are kept in the store, so say store.dir in its place",
}

// reportUnknown does not show a key without a value: {TOKEN} is a mapping, and TOKEN its key.
func (d *decoder) reportUnknown(unknown entry, path string, known []string) {
	switch {
	case strings.Contains(unknown.key, ":"):
		d.report(unknown.path, "is no key of this configuration: a colon that ends a key needs a space after it")
	case isNull(unknown.value) && unknown.value.Value == "":
		hidden := joinKey(path, "…")
		d.places[hidden] = d.places[unknown.path]
		d.report(hidden, "is no key of this configuration%s", suggestion(unknown.key, known))
	default:
		d.report(unknown.path, "is no key of this configuration%s", suggestion(unknown.key, known))
	}
}

func (d *decoder) leaveAlone(section entry) {
	if d.leftAlone == nil {
		d.leftAlone = map[string]*yaml.Node{}
	}
	d.leftAlone[section.key] = section.value
}

// yamlKeys are the keys of a struct, in the order of its exported fields, after which others may come.
func yamlKeys(structure reflect.Type) []string {
	var keys []string
	for i := range structure.NumField() {
		if field := structure.Field(i); field.IsExported() {
			key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
			keys = append(keys, key)
		}
	}
	return keys
}

func (d *decoder) decodeMap(node *yaml.Node, path string, target reflect.Value) {
	target.Set(reflect.MakeMap(target.Type()))
	for _, entry := range d.entries(node, path) {
		value := reflect.New(target.Type().Elem()).Elem()
		d.decode(entry.value, entry.path, value)
		target.SetMapIndex(reflect.ValueOf(entry.key), value)
	}
}

func (d *decoder) decodeList(node *yaml.Node, path string, target reflect.Value) {
	if node.Kind != yaml.SequenceNode {
		d.report(path, "is %s, not a list", kindOf(node))
		return
	}
	list := reflect.MakeSlice(target.Type(), 0, 0)
	for i, item := range node.Content {
		if d.nodes > maxNodes {
			return
		}
		itemPath := joinIndex(path, i)
		d.places[itemPath] = placeOf(item)
		value := reflect.New(target.Type().Elem()).Elem()
		d.decode(item, itemPath, value)
		list = reflect.Append(list, value)
	}
	target.Set(list)
}

// resolvePath makes a path from the file relative to the file's directory.
func (d *decoder) resolvePath(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(d.file), path)
}

// entry is one key of a mapping, with its value.
type entry struct {
	key   string
	path  string
	value *yaml.Node
}

// maxMerges bounds how deep mappings merge others, one of which may be itself.
const maxMerges = 16

// entries are the keys of a mapping, those that it merges after its own ("<<", which yields to every key that is
// there already).
func (d *decoder) entries(node *yaml.Node, path string) []entry {
	if node.Kind != yaml.MappingNode {
		d.report(path, "is %s, not a mapping", kindOf(node))
		return nil
	}
	var entries []entry
	taken := map[string]bool{}
	d.gather(node, path, maxMerges, taken, func(e entry) { entries = append(entries, e) })
	return entries
}

func (d *decoder) gather(mapping *yaml.Node, path string, mergesLeft int, taken map[string]bool, add func(entry)) {
	var merged *yaml.Node
	own := map[string]int{} // lines
	for i := 0; i+1 < len(mapping.Content) && d.count(); i += 2 {
		key, value := follow(mapping.Content[i]), mapping.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			d.report(path, "has %s for a key", kindOf(key))
			continue
		}
		keyPath := joinKey(path, key.Value)
		if line, twice := own[key.Value]; twice {
			d.places[keyPath] = placeOf(mapping.Content[i])
			d.report(keyPath, "is here twice, first in line %d", line)
			continue
		}
		own[key.Value] = mapping.Content[i].Line
		if taken[key.Value] {
			continue
		}
		d.places[keyPath] = placeOf(mapping.Content[i])
		if key.Tag == "!!merge" {
			merged = value
			continue
		}
		taken[key.Value] = true
		add(entry{key.Value, keyPath, value})
	}
	if merged != nil {
		d.merge(follow(merged), path, mergesLeft, taken, add)
	}
}

// merge gathers the keys of a mapping, or of each of a list of mappings.
func (d *decoder) merge(value *yaml.Node, path string, mergesLeft int, taken map[string]bool, add func(entry)) {
	mappings := []*yaml.Node{value}
	if value.Kind == yaml.SequenceNode {
		mappings = value.Content
	}
	for _, mapping := range mappings {
		mapping = follow(mapping)
		switch {
		case mapping.Kind != yaml.MappingNode:
			d.report(joinKey(path, "<<"), "is %s, not a mapping", kindOf(mapping))
		case mergesLeft == 0:
			d.report(joinKey(path, "<<"), "merges over %d mappings within each other", maxMerges)
		case d.count():
			d.gather(mapping, path, mergesLeft-1, taken, add)
		}
	}
}
