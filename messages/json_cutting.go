package messages

import (
	"bytes"
	"iter"
)

// jsonSpace is the white space of JSON (RFC 8259 §2).
const jsonSpace = " \t\r\n"

// CutJSON cuts the JSON value with which the text begins, after white space, from what follows it, without copying or
// unfolding any of it. It looks at quotes and brackets only: whether the value is valid is for ParseEnvelope to say.
// Where the value has no end, whole is false and all of the text is the value's.
func CutJSON(text []byte) (value, rest []byte, whole bool) {
	text = bytes.TrimLeft(text, jsonSpace)
	depth := 0
	for i := 0; i < len(text); {
		switch text[i] {
		case '"':
			length := stringLength(text[i:])
			if length == 0 {
				return text, nil, false
			}
			i += length
		case '{', '[':
			depth++
			i++
		case '}', ']':
			depth--
			i++
		default:
			if depth == 0 {
				i = scalarLength(text)
			} else {
				i++
			}
		}
		if depth <= 0 {
			return text[:i], text[i:], true
		}
	}
	return text, nil, false
}

// stringLength is the length of the string with which the text begins, quotes included; 0 where it does not end.
func stringLength(text []byte) int {
	for begin := 1; ; {
		quote := bytes.IndexByte(text[begin:], '"')
		if quote < 0 {
			return 0
		}
		end := begin + quote
		escapes := 0
		for end-escapes > begin && text[end-escapes-1] == '\\' {
			escapes++
		}
		begin = end + 1
		if escapes%2 == 0 {
			return begin
		}
	}
}

func scalarLength(text []byte) int {
	if end := bytes.IndexAny(text[1:], jsonSpace+",]}"); end >= 0 {
		return 1 + end
	}
	return len(text)
}

// members are the keys, in their quotes, and the values of a valid JSON object.
func members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for rest := afterMark(object); rest[0] != '}'; {
			var key, value []byte
			key, rest, _ = CutJSON(rest)
			value, rest, _ = CutJSON(afterMark(bytes.TrimLeft(rest, jsonSpace)))
			if !yield(key, value) {
				return
			}
			if rest = bytes.TrimLeft(rest, jsonSpace); rest[0] == ',' {
				rest = afterMark(rest)
			}
		}
	}
}

// elements are the values of a valid JSON array.
func elements(array []byte) iter.Seq2[int, []byte] {
	return func(yield func(i int, value []byte) bool) {
		i := 0
		for rest := afterMark(array); rest[0] != ']'; i++ {
			var value []byte
			value, rest, _ = CutJSON(rest)
			if !yield(i, value) {
				return
			}
			if rest = bytes.TrimLeft(rest, jsonSpace); rest[0] == ',' {
				rest = afterMark(rest)
			}
		}
	}
}

// afterMark is what follows a bracket, a comma or a colon and the space after it.
func afterMark(text []byte) []byte { return bytes.TrimLeft(text[1:], jsonSpace) }
