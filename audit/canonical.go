package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/gowebpki/jcs"
)

// maxDepth bounds arrays and objects inside each other.
const maxDepth = 32

// Canonical is the one byte form of v: RFC 8785 by gowebpki/jcs. v is whatever
// encoding/json marshals; json.RawMessage makes bytes canonical.
//
// It is an error where two readers could see different things: a duplicate
// key, a number that is no integer below 2^53 (larger ones are written as
// strings), text that is not UTF-8, half a surrogate pair, and more than 32
// levels.
func Canonical(v any) ([]byte, error) { return canonical(v, maxDepth) }

func canonical(v any, depth int) ([]byte, error) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false) // RFC 8785 does not escape < > &
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("canonical form: %w", err)
	}
	raw := bytes.TrimSuffix(text.Bytes(), []byte("\n"))
	if err := guard(raw, depth); err != nil {
		return nil, fmt.Errorf("canonical form: %w", err)
	}
	if b, ok := plain(raw); ok {
		return b, nil
	}
	b, err := jcs.Transform(raw)
	if err != nil {
		return nil, fmt.Errorf("canonical form: %w", err)
	}
	return b, nil
}

// guard looks at what jcs lets pass and should not. raw is valid JSON, as
// encoding/json writes it.
func guard(raw []byte, most int) error {
	depth := 0
	for i := 0; i < len(raw); {
		switch c := raw[i]; {
		case c == '"':
			n, err := guardString(raw[i:])
			if err != nil {
				return err
			}
			i += n
			continue
		case c == '{' || c == '[':
			if depth++; depth > most {
				return fmt.Errorf("more than %d levels", most)
			}
		case c == '}' || c == ']':
			depth--
		case c == '-' || c >= '0' && c <= '9':
			n, err := guardNumber(raw[i:])
			if err != nil {
				return err
			}
			i += n
			continue
		}
		i++
	}
	return nil
}

// guardString finds the end of a string. encoding/json writes bytes that are
// not UTF-8 as the escape \ufffd, and the character itself as it is: the
// escape is the trace of what was lost.
func guardString(raw []byte) (n int, err error) {
	for i := 1; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			return i + 1, nil
		case '\\':
			i++
			if i+5 <= len(raw) && raw[i] == 'u' && isFFFD(raw[i+1:i+5]) {
				return 0, errors.New("text that is not UTF-8")
			}
		}
	}
	return 0, errors.New("a string without an end")
}

func isFFFD(hex []byte) bool {
	for i, c := range hex {
		if c|0x20 != "fffd"[i] {
			return false
		}
	}
	return true
}

// guardNumber allows integers from -(2^53-1) to 2^53-1, the range in which
// every reader of JSON agrees (RFC 8259 section 6).
func guardNumber(raw []byte) (n int, err error) {
	i := 0
	if raw[0] == '-' {
		i = 1
	}
	var v uint64
	digits := 0
	for ; i < len(raw); i++ {
		c := raw[i]
		if c == '.' || c == 'e' || c == 'E' {
			return 0, errors.New("a number that is no integer; write it as a string")
		}
		if c < '0' || c > '9' {
			break
		}
		if digits++; digits > 16 {
			break
		}
		v = v*10 + uint64(c-'0')
	}
	if digits > 16 || v >= 1<<53 {
		return 0, errors.New("an integer of 2^53 or more; write it as a string")
	}
	if raw[0] == '-' && v == 0 {
		return 0, errors.New("minus zero")
	}
	return i, nil
}
