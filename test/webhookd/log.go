package webhookd

import (
	"encoding/json"
	"strings"
)

// LogLine is a line of the program's log, or one with just a msg where it is no JSON.
type LogLine map[string]any

// Logged lists the lines of the log with this message.
func (p *Process) Logged(message string) []LogLine {
	p.t.Helper()
	var found []LogLine
	for text := range strings.Lines(p.read(stderrFile)) {
		line := LogLine{}
		if json.Unmarshal([]byte(text), &line) != nil {
			line = LogLine{"msg": strings.TrimSpace(text)}
		}
		if line["msg"] == message {
			found = append(found, line)
		}
	}
	return found
}

// Await returns the first line of the log with this message.
func (p *Process) Await(message string) LogLine {
	p.t.Helper()
	var found []LogLine
	if !Within(Patience, func() bool {
		found = p.Logged(message)
		return len(found) > 0
	}) {
		p.t.Fatalf("the log has no line %q:\n%s", message, p.read(stderrFile))
	}
	return found[0]
}

// Summary is the last account of an endpoint in the log of a stopped program.
func (p *Process) Summary(endpoint string) LogLine {
	p.t.Helper()
	for _, line := range p.Logged("summary of an endpoint") {
		if line["endpoint"] == endpoint {
			return line
		}
	}
	p.t.Fatalf("the log has no summary of %s", endpoint)
	return nil
}

// Number is a figure of a log line, 0 where it is not there; path leads into the line's groups.
func (l LogLine) Number(path ...string) int {
	var value any = map[string]any(l)
	for _, key := range path {
		group, ok := value.(map[string]any)
		if !ok {
			return 0
		}
		value = group[key]
	}
	n, _ := value.(float64)
	return int(n)
}
