package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"unicode/utf8"

	"penstock/policy/source"
)

// Bounds of a plant file with all the files it names.
const (
	maxFiles       = 256
	maxBundleText  = 4 << 20
	maxBundleBytes = 6 * maxBundleText // a control character is six bytes in JSON
)

// Options are what a plant file may count on in this build.
type Options struct {
	// Inspectors are the ports, by name, that have an inspector. Only these
	// may say `enforced: penstock`.
	Inspectors []string
}

// bundle is the canonical form of a plant file: fields in the order of their
// names, files in the order of theirs.
type bundle struct {
	Files map[string]string `json:"files"`
	Main  string            `json:"main"`
	V     int               `json:"v"`
}

// Bundle makes one JSON document of a plant file and the files it names:
// {"files":{name:text},"main":name,"v":1}, the same bytes for the same files.
// Names are relative, with forward slashes, without "..". It does not read
// what the files say.
func Bundle(main string, files map[string][]byte) ([]byte, error) {
	if _, ok := files[main]; !ok {
		return nil, fmt.Errorf("bundle plant file: %s is not among the files", main)
	}
	if len(files) > maxFiles {
		return nil, fmt.Errorf("bundle plant file: %d files, at most %d", len(files), maxFiles)
	}
	b := bundle{make(map[string]string, len(files)), main, 1}
	sum := 0
	for name, text := range files {
		if err := checkName(name); err != nil {
			return nil, fmt.Errorf("bundle plant file: %w", err)
		}
		if !utf8.Valid(text) {
			return nil, fmt.Errorf("bundle plant file: %s is not UTF-8", name)
		}
		if sum += len(text); sum > maxBundleText {
			return nil, fmt.Errorf("bundle plant file: more than %d bytes in all files", maxBundleText)
		}
		b.Files[name] = string(text)
	}
	return b.encode()
}

func (b bundle) encode() ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(b); err != nil {
		return nil, fmt.Errorf("bundle plant file: %w", err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// checkName holds names to what means the same on every system.
func checkName(name string) error {
	if !fs.ValidPath(name) || name == "." || len(name) > 200 {
		return fmt.Errorf("%q is no relative file name", name)
	}
	for _, r := range name {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/", r) {
			return fmt.Errorf("%q is no relative file name of letters, digits, dot, dash, underscore and slash", name)
		}
	}
	return nil
}

// ParseBundle reads a document that Bundle made, as the log and requests keep
// it. It trusts no byte: whatever Bundle would not have written is a problem.
// Whatever inspector it counts on is taken to have been there: a document is
// judged by what it says, not by what this build could do.
func ParseBundle(doc []byte) (*Plant, source.Problems) {
	b, err := readBundle(doc)
	if err != nil {
		return nil, source.Problems{{Place: source.Place{File: "plant document"}, Text: err.Error()}}
	}
	files := make(map[string][]byte, len(b.Files))
	for name, text := range b.Files {
		files[name] = []byte(text)
	}
	return parse(&file{anyInspector: true}, b.Main, files)
}

func readBundle(doc []byte) (bundle, error) {
	var b bundle
	if len(doc) > maxBundleBytes {
		return b, fmt.Errorf("the document has %d bytes, at most %d are read", len(doc), maxBundleBytes)
	}
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&b); err != nil {
		return b, fmt.Errorf("the document is no plant file bundle: %w", err)
	}
	if b.V != 1 {
		return b, fmt.Errorf("the document has version %d, this program reads 1", b.V)
	}
	again, err := b.encode()
	if err != nil {
		return b, err
	}
	if !bytes.Equal(again, doc) {
		return b, errors.New("the document is not in canonical form")
	}
	return b, nil
}

// Files lists the further files that a plant file, or an asset file of it,
// names: asset files and register sheets, relative to the plant file's folder.
// Names that Parse will refuse are left out, and of a text that is no YAML
// there are none: Parse says what is wrong, with its place. The error is for
// more files than a plant file may have.
func Files(text []byte) ([]string, error) {
	var unheard source.Report
	top := source.Load("plant file", text, &unheard)
	var names []string
	add := func(v source.Value) {
		if s := v.Text(); len(names) <= maxFiles && checkName(s) == nil && !slices.Contains(names, s) {
			names = append(names, s)
		}
	}
	assets := top.Entries()
	for _, e := range assets {
		if e.Key == "imported" && e.Kind() == "list" {
			for _, v := range e.Items() {
				add(v)
			}
		}
	}
	for _, e := range assets {
		if e.Key != "assets" {
			continue
		}
		if e.Kind() == "list" {
			for _, v := range e.Items() {
				add(v)
			}
			assets = nil
			break
		}
		assets = e.Entries()
	}
	for _, a := range assets {
		for _, v := range sheets(a.Value) {
			add(v)
		}
	}
	if len(names) > maxFiles {
		return nil, fmt.Errorf("the plant file names more than %d files", maxFiles)
	}
	slices.Sort(names)
	return names, nil
}

// sheets are the places in an asset where a register sheet is named.
func sheets(asset source.Value) []source.Value {
	var all []source.Value
	if asset.Kind() != "mapping" {
		return nil
	}
	for _, e := range asset.Entries() {
		if e.Key != "ports" || e.Kind() != "mapping" {
			continue
		}
		for _, port := range e.Entries() {
			if port.Kind() != "mapping" {
				continue
			}
			for _, f := range port.Entries() {
				if f.Key == "registers" && f.Kind() == "text" {
					all = append(all, f.Value)
				}
			}
		}
	}
	return all
}

// Gather reads a plant file and all that it names with the caller's read,
// which gets main and then relative names and must bound what it returns.
func Gather(main string, read func(name string) ([]byte, error)) (map[string][]byte, error) {
	if err := checkName(main); err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for wanted := []string{main}; len(wanted) > 0; wanted = wanted[1:] {
		name := wanted[0]
		if _, have := files[name]; have {
			continue
		}
		if len(files) == maxFiles {
			return nil, fmt.Errorf("%s names more than %d files", main, maxFiles)
		}
		text, err := read(name)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		files[name] = text
		if strings.HasSuffix(name, ".csv") {
			continue
		}
		more, err := Files(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		wanted = append(wanted, more...)
	}
	return files, nil
}
