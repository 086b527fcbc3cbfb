package verbs

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"penstock/policy"
)

const (
	maxLine  = 4 << 10 // bytes
	maxWords = 256
)

// split cuts a line into words as a shell would, without its powers: blanks
// part words, '…' and "…" keep them together, \ takes the next character as it is.
func split(line string) ([]string, error) {
	if len(line) > maxLine {
		return nil, fmt.Errorf("the line has %d bytes, at most %d", len(line), maxLine)
	}
	if !utf8.ValidString(line) {
		return nil, errors.New("the line is not UTF-8")
	}
	var words []string
	var word strings.Builder
	var quote rune
	in, escaped := false, false
	for _, r := range line {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			in, escaped = true, true
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				word.WriteRune(r)
			}
		case r == '"' || r == '\'':
			in, quote = true, r
		case r == ' ' || r == '\t' || r == '\n' || r == '\r':
			if in {
				words = append(words, word.String())
				word.Reset()
				in = false
			}
		default:
			in = true
			word.WriteRune(r)
		}
		if len(words) > maxWords {
			return nil, fmt.Errorf("more than %d words", maxWords)
		}
	}
	if quote != 0 || escaped {
		return nil, errors.New("a quote is not closed: your own shell takes one pair away, so write ssh … 'request --why \"two words\"'")
	}
	if in {
		words = append(words, word.String())
	}
	return words, nil
}

// args are the words behind a verb.
type args struct {
	words []string
	flags map[string][]string
	json  bool
}

// parseArgs reads --name value. ssh joins the words of its command with blanks
// and the local shell has eaten the quotes, so a value goes on to the next
// word that begins with "--".
func parseArgs(words, known []string) (args, error) {
	a := args{flags: map[string][]string{}}
	for i := 0; i < len(words); {
		name, isFlag := strings.CutPrefix(words[i], "--")
		if !isFlag {
			a.words = append(a.words, words[i])
			i++
			continue
		}
		i++
		if name == "json" {
			a.json = true
			continue
		}
		name, value, inline := strings.Cut(name, "=")
		if !slices.Contains(known, name) {
			return args{}, fmt.Errorf("--%s is not known here", name)
		}
		var parts []string
		if inline {
			parts = append(parts, value)
		}
		for i < len(words) && !strings.HasPrefix(words[i], "--") {
			parts = append(parts, words[i])
			i++
		}
		if len(parts) == 0 {
			return args{}, fmt.Errorf("--%s needs a value", name)
		}
		a.flags[name] = append(a.flags[name], strings.Join(parts, " "))
	}
	return a, nil
}

// text is the one value of a flag; twice is an error of the person, told by once.
func (a args) text(name string) string {
	if v := a.flags[name]; len(v) > 0 {
		return v[len(v)-1]
	}
	return ""
}

func (a args) list(name string) []string {
	var all []string
	for _, v := range a.flags[name] {
		for part := range strings.FieldsFuncSeq(v, func(r rune) bool { return r == ',' || r == ' ' }) {
			all = append(all, part)
		}
	}
	return all
}

// phrases are words that may have spaces in them, with commas between.
func (a args) phrases(name string) (all []string) {
	for _, v := range a.flags[name] {
		for part := range strings.SplitSeq(v, ",") {
			if part = strings.TrimSpace(part); part != "" {
				all = append(all, part)
			}
		}
	}
	return all
}

func (a args) number(name string) (int, error) {
	v := a.text(name)
	if v == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > 20160 {
		return 0, usage("--" + name + " is a number of minutes, 1 to 20160")
	}
	return n, nil
}

// id is the word at a place: "R-1", "W-17".
func (a args) id(i int, letter string) (string, error) {
	if i >= len(a.words) || !isID(a.words[i], letter) {
		return "", usage("a number such as " + letter + "-1 is needed; " + map[string]string{"R": "requests", "W": "windows"}[letter] + " lists yours")
	}
	return a.words[i], nil
}

func isID(s, letter string) bool {
	n, ok := strings.CutPrefix(s, letter+"-")
	if !ok || len(n) > 12 {
		return false
	}
	_, err := strconv.ParseUint(n, 10, 63)
	return err == nil
}

// rest is what follows the first n words, as one text.
func (a args) rest(n int) string {
	if len(a.words) <= n {
		return ""
	}
	return strings.Join(a.words[n:], " ")
}

// usageError is a line that was not understood.
type usageError string

func (u usageError) Error() string { return string(u) }

func usage(s string) error { return usageError(s) }

func rightsOf(words []string) (policy.Rights, error) {
	r, err := policy.ParseRights(words)
	if err != nil {
		return 0, usage("--rights: " + err.Error())
	}
	return r, nil
}
