package messages

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestCutJSONFindsTheEndOfAValue(t *testing.T) {
	for text, want := range map[string][2]string{
		`{}`:              {`{}`, ``},
		" \t\r\n[1] ,2":   {`[1]`, ` ,2`},
		`{"a":"}"}]`:      {`{"a":"}"}`, `]`},
		`"a\"b" c`:        {`"a\"b"`, ` c`},
		`"a\\"b`:          {`"a\\"`, `b`},
		`"\\\"\\\\" `:     {`"\\\"\\\\"`, ` `},
		`["\"]",[{}]],{}`: {`["\"]",[{}]]`, `,{}`},
		`12,3`:            {`12`, `,3`},
		`12`:              {`12`, ``},
		`true]`:           {`true`, `]`},
		"null\n":          {`null`, "\n"},
		`1}`:              {`1`, `}`},
		`]`:               {`]`, ``},
		`}x`:              {`}`, `x`},
		`x`:               {`x`, ``},
		`{"a":1]x`:        {`{"a":1]`, `x`},
		`"a\\\\\\"b"`:     {`"a\\\\\\"`, `b"`},
	} {
		value, rest, whole := CutJSON([]byte(text))
		require.Equal(t, want, [2]string{string(value), string(rest)}, text)
		require.True(t, whole, text)
	}
}

func TestCutJSONSaysThatAValueHasNoEnd(t *testing.T) {
	for _, text := range []string{``, `"a`, `"a\"`, `"a\\\"`, `"`, `[[]`, `{"a`, `{"a":[1}`, `{`, `{"}"`} {
		value, rest, whole := CutJSON([]byte(" " + text))
		require.False(t, whole, text)
		require.Equal(t, text, string(value))
		require.Empty(t, rest)
	}
}

func FuzzCutJSONAgreesWithEncodingJSON(f *testing.F) {
	for _, text := range []string{
		`{}`, `[]`, ` [ 1 , "a\"b" , {"a":[{}]} ] `, `{"a" : 1 , "\u0062":"\\" }`, `"x"`, `-1.5e9`, `null`, `[[],[[]],""]`, `{"a":{"a":"]}"}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		value, rest, whole := CutJSON(text)
		require.True(t, bytes.HasSuffix(text, append(append([]byte{}, value...), rest...)))
		if !json.Valid(text) || !utf8.Valid(text) {
			return
		}
		require.True(t, whole)
		require.Equal(t, string(bytes.Trim(text, jsonSpace)), string(value))
		switch value[0] {
		case '[':
			var want []json.RawMessage
			require.NoError(t, json.Unmarshal(text, &want))
			got := 0
			for i, element := range elements(value) {
				require.Equal(t, string(want[i]), string(element))
				got++
			}
			require.Equal(t, len(want), got)
		case '{':
			decoder := json.NewDecoder(bytes.NewReader(text))
			_, err := decoder.Token()
			require.NoError(t, err)
			for key, member := range members(value) {
				name, err := decoder.Token()
				require.NoError(t, err)
				require.Equal(t, name, unquote(key))
				var want json.RawMessage
				require.NoError(t, decoder.Decode(&want))
				require.Equal(t, string(want), string(member))
			}
			require.False(t, decoder.More())
		}
	})
}
