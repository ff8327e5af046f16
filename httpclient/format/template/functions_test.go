package template

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/messages"
)

func functionTestEvent() *messages.MessagePublished {
	return &messages.MessagePublished{
		ClientID: " Pump \"7\"\n", Topic: "sensors/über/1", QoS: 1,
		Payload:        []byte("{\"t\": 21.50, \"list\": [1, \"a\"], \"id\": 123456789, \"none\": null, \"bad\": \"\xff\"}"),
		UserProperties: []messages.UserProperty{{Name: "site", Value: "north"}},
	}
}

func TestFunctionsOfTemplates(t *testing.T) {
	for template, want := range map[string]string{
		`{{json .data.client_id}}`:                     `" Pump \"7\"\n"`,
		`{{json .data.qos}} {{json .data.retained}}`:   `1 false`,
		`{{json .data.user_properties}}`:               `[{"name":"site","value":"north"}]`,
		`{{json "<&>"}}`:                               `"<&>"`,
		`{{jsonEscape .data.client_id}}`:               ` Pump \"7\"\n`,
		`{{jsonEscape .data.qos}}`:                     `1`,
		`{{.data.payload | printf "%s" | truncate 5}}`: `eyJ0…`,
		`{{json .data.payload | hasPrefix "\"eyJ0"}}`:  `true`,
		`{{text .data.payload | truncate 6}}`:          `{"t":…`,
		`{{text "plain"}} {{text .data.qos}}`:          `plain 1`,
		`{{with parseJSON .data.payload}}{{.t}} {{.id}} {{index .list 1}} {{gt .t 20.0}} {{json .none}}{{end}}`: `21.5 123456789 a true null`,
		`{{json (parseJSON .data.payload)}}`:                                                  `{"bad":"` + "\ufffd" + `","id":123456789,"list":[1,"a"],"none":null,"t":21.5}`,
		`{{parseJSON "[true]"}}`:                                                              `[true]`,
		`{{default "-" ""}}{{"x" | default "-"}}{{default 3 0}}`:                              `-x3`,
		`{{index .data "no such field" | default "-"}}`:                                       `-`,
		`{{upper .data.topic}} {{lower "ÄB"}}`:                                                `SENSORS/ÜBER/1 äb`,
		`[{{trim .data.client_id}}]`:                                                          `[Pump "7"]`,
		`{{.data.topic | replace "/" "."}}`:                                                   `sensors.über.1`,
		`{{truncate 10 .data.topic}} {{truncate 13 .data.topic}} {{truncate 14 .data.topic}}`: `sensors/ü… sensors/über… sensors/über/1`,
		`{{truncate 1 "ab"}} {{truncate 1 "a"}} {{truncate 5 ""}}.`:                           `… a .`,
		`{{.timestamp | date "2006-01-02 15:04:05 MST"}}`:                                     `2026-01-02 03:04:05 UTC`,
		`{{date "15:04" "2026-01-02T03:04:05+02:00"}}`:                                        `01:04`,
		`{{contains "über" .data.topic}} {{contains "x" .data.topic}}`:                        `true false`,
		`{{hasPrefix "sensors/" .data.topic}} {{hasPrefix "x" .data.topic}}`:                  `true false`,
		`{{print 1 "a"}} {{printf "%03d" .data.qos}} {{println "a"}}`:                         "1a 001 a\n",
		`{{html "<"}} {{js "'"}} {{urlquery "a b"}}`:                                          `&lt; \' a+b`,
		`{{range .data.user_properties}}{{if eq .name "site"}}{{.value}}{{end}}{{end}}`:       `north`,
		`{{.event_type}} {{.broker_id}} {{.timestamp}}`:                                       `message.published broker-1 2026-01-02T03:04:05.000000006Z`,
	} {
		rendered, err := renderedOf(t, template, functionTestEvent())
		require.NoError(t, err, template)
		require.Equal(t, want, rendered, template)
	}
}

func TestFunctionThatCanNotWorkEndsTheRendering(t *testing.T) {
	for template, want := range map[string]string{
		`{{truncate 0 .data.topic}}`:               "can't truncate to less than one character",
		`{{date "15:04" .data.topic}}`:             "the text is no time by RFC 3339, as .timestamp is",
		`{{json (index .data.user_properties 5)}}`: "index out of range: 5",
		`{{upper}}`: "wrong number of args for upper",
	} {
		_, err := loaded(template, messages.TypeMessagePublished)
		require.ErrorContains(t, err, want, template)
	}
}

func TestNoFunctionKnowsMoreThanTheEvent(t *testing.T) {
	for _, name := range []string{"env", "getenv", "readFile", "include", "now", "rand", "uuid"} {
		_, err := Parse("template.body", "{{"+name+"}}", 1, nil)
		require.ErrorContains(t, err, "not defined")
	}
}

func TestTextsOnTheWayAreBounded(t *testing.T) {
	double := `{{$x := printf "%01000000d" 0}}` + strings.Repeat(`{{$x = print $x $x}}`, 40)
	for name, template := range map[string]string{
		"print":    double,
		"printf":   strings.ReplaceAll(double, "print $x $x", `printf "%s%s" $x $x`),
		"println":  strings.ReplaceAll(double, "print $x $x", "println $x $x"),
		"json":     `{{$x := "\""}}` + strings.Repeat(`{{$x = json $x}}`, 40),
		"js":       `{{$x := "\\"}}` + strings.Repeat(`{{$x = js $x}}`, 40),
		"replace":  `{{$x := printf "%01000000d" 0}}{{$x = replace "0" $x $x}}`,
		"between":  `{{$x := printf "%01000000d" 0}}{{$x = replace "" "0000000000000000000" $x}}`,
		"escapes":  `{{$x := "\""}}` + strings.Repeat(`{{$x = jsonEscape $x}}`, 40),
		"html":     `{{$x := printf "%01000000d" 0 | replace "0" "<"}}{{$x = html $x $x $x $x $x}}`,
		"urlquery": `{{$x := printf "%01000000d" 0 | replace "0" "<"}}{{$x = urlquery $x $x $x $x $x $x}}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := loaded(template, messages.TypeClientConnected)
			require.ErrorContains(t, err, "makes a text of more than 16777216 bytes")
		})
	}
}

func TestTextThatWouldBeFarTooLongIsNotMade(t *testing.T) {
	for name, c := range map[string]struct{ template, payload string }{
		"wide":            {`{{$x := printf (text .data.payload) 1}}`, strings.Repeat("%999999[1]d", 1000)},
		"precise":         {`{{$x := printf (text .data.payload) 1.5}}`, strings.Repeat("%.999999[1]f", 1000)},
		"as wide as told": {`{{$x := printf (text .data.payload) 999999 1}}`, strings.Repeat("%[1]*[2]d", 1000)},
		"again and again": {`{{$x := printf (text .data.payload) .data.payload}}`, strings.Repeat("%[1]s", 100_000)},
		"missing":         {`{{$x := printf (text .data.payload) 1}}`, strings.Repeat("%d%", 300_000) + strings.Repeat("%9999d", 10_000)},
		"print":           {`{{$p := text .data.payload}}{{$x := print` + strings.Repeat(" $p", 400) + `}}`, strings.Repeat("x", 1<<19)},
		"html":            {`{{$p := text .data.payload}}{{$x := html` + strings.Repeat(" $p", 400) + `}}`, strings.Repeat("x", 1<<19)},
	} {
		t.Run(name, func(t *testing.T) {
			event := published("t")
			event.Payload = []byte(c.payload)
			compiled, err := Parse(testKey, c.template, MaxBytes, nil)
			require.NoError(t, err)
			dot, err := Event(messages.NewEnvelope(event))
			require.NoError(t, err)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)

			_, err = compiled.Render(dot)

			runtime.ReadMemStats(&after)
			require.ErrorContains(t, err, "makes a text of more than 16777216 bytes")
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(2*maxPrintfBytes))
		})
	}
}

func TestFormatsOfUseAreWithinBounds(t *testing.T) {
	large := strings.Repeat("x", 15<<20)
	for _, format := range []string{"[%s] %5d|%-5s|%05.1f", "%[2]d %[1]s", "100%% of 9999999999 %.3s"} {
		text, err := printf(format, large[:100], 7, "b", 1.5)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf(format, large[:100], 7, "b", 1.5), text)
	}
	text, err := printf("[%s] %d %d %d %d %d", large, 1, 2, 3, 4, 5)
	require.NoError(t, err)
	require.Greater(t, len(text), 15<<20)
}
