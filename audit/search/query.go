package search

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxQuery is the most bytes of a query.
	MaxQuery   = 200
	mostTerms  = 10
	mostRunes  = 64 // of a word; what is longer is found by its beginning
	prefixFrom = 3  // runes from which on a word also finds longer ones
)

// Query is what somebody looks for: all of it has to fit.
type Query struct {
	Terms         []Term
	Person, Asset string
	After, Before time.Time // zero: no limit. Before is not in it
}

// Term is a word or phrase, folded; In is where: "" anywhere, "file" or "sha256".
type Term struct{ Text, In string }

// QueryError says to the person what a query cannot be.
type QueryError struct{ Say string }

func (e *QueryError) Error() string { return e.Say }

// Help is the query language in a line.
const Help = `words, "a phrase", person:ann asset:filler-plc file:recipe sha256:… after:2026-11-01 before:2026-11-30T06:00`

// ParseQuery reads a query; dates are in zone.
func ParseQuery(text string, zone *time.Location) (Query, error) {
	var q Query
	if len(text) > MaxQuery {
		return q, &QueryError{fmt.Sprintf("A search has at most %d bytes: take fewer words.", MaxQuery)}
	}
	if !utf8.ValidString(text) {
		return q, &QueryError{"That is no text."}
	}
	for rest := strings.TrimSpace(text); rest != ""; rest = strings.TrimSpace(rest) {
		key, value, err := next(&rest)
		if err != nil {
			return q, err
		}
		if err := q.take(key, value, zone); err != nil {
			return q, err
		}
	}
	if len(q.Terms) > mostTerms {
		return q, &QueryError{fmt.Sprintf("A search has at most %d words.", mostTerms)}
	}
	if len(q.Terms) == 0 && q.Person == "" && q.Asset == "" && q.After.IsZero() && q.Before.IsZero() {
		return q, &QueryError{"Say what to look for: " + Help}
	}
	return q, nil
}

// next takes one item off: KEY:VALUE, or a value, either in quotes where it has spaces.
func next(rest *string) (key, value string, err error) {
	s := *rest
	for _, k := range []string{"person", "asset", "after", "before", "file", "sha256"} {
		if after, ok := strings.CutPrefix(s, k+":"); ok {
			key, s = k, after
			break
		}
	}
	if phrase, after, ok := quoted(s); ok {
		value, s = phrase, after
	} else if first, _ := utf8.DecodeRuneInString(s); strings.ContainsRune(`"“”„‘`, first) { // ' and ’ begin words as well
		return "", "", &QueryError{`A phrase ends with a second ".`}
	} else {
		end := strings.IndexFunc(s, unicode.IsSpace)
		if end < 0 {
			end = len(s)
		}
		value, s = s[:end], s[end:]
	}
	*rest = s
	return key, value, nil
}

// quoted takes a phrase off that begins s, in any of the quotes that a shell
// leaves over or a telephone makes of ".
func quoted(s string) (phrase, rest string, ok bool) {
	for _, marks := range [][2]string{{`"“”„`, `"“”`}, {`'‘’`, `'‘’`}} {
		first, size := utf8.DecodeRuneInString(s)
		if !strings.ContainsRune(marks[0], first) {
			continue
		}
		if end := strings.IndexAny(s[size:], marks[1]); end >= 0 {
			_, mark := utf8.DecodeRuneInString(s[size+end:])
			return s[size : size+end], s[size+end+mark:], true
		}
	}
	return "", "", false
}

func (q *Query) take(key, value string, zone *time.Location) error {
	var err error
	switch key {
	case "person":
		q.Person = fold(value)
	case "asset":
		q.Asset = fold(value)
	case "after":
		q.After, err = moment(value, zone)
	case "before":
		q.Before, err = moment(value, zone)
	default:
		if key == "sha256" {
			value = strings.TrimPrefix(value, "sha256:")
		}
		if len(tokens(value)) == 0 {
			return &QueryError{fmt.Sprintf("%q has no letter or digit to look for.", value)}
		}
		q.Terms = append(q.Terms, Term{fold(value), key})
	}
	if (key == "person" || key == "asset") && value == "" {
		return &QueryError{"Say which one: " + Help}
	}
	return err
}

func moment(s string, zone *time.Location) (time.Time, error) {
	for _, form := range []string{"2006-01-02", "2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if t, err := time.ParseInLocation(form, s, zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, &QueryError{fmt.Sprintf("%q is no day: such as 2026-11-22, or 2026-11-22T03:10.", s)}
}

// fold is the form in which texts are compared.
func fold(s string) string { return strings.ToLower(s) }

// tokens are the words of a text, folded, in order.
func tokens(s string) []string {
	all := strings.FieldsFunc(fold(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for i, w := range all {
		if utf8.RuneCountInString(w) > mostRunes {
			all[i] = string([]rune(w)[:mostRunes])
		}
	}
	return all
}

// words are the tokens, each once.
func words(s string) []string {
	all := tokens(s)
	slices.Sort(all)
	return slices.Compact(all)
}
