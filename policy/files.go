package policy

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"penstock/policy/source"
)

// FileRules say what may be carried through an account by sftp, scp, rsync and
// git beyond its rights: which files, how large, and what waits for a look. A
// shell on the account is not held to them.
type FileRules struct{ In, Out FileRule }

// FileRule is one direction's; the zero value asks for nothing.
type FileRule struct {
	Paths      []string // patterns of canonical absolute paths; empty: all
	Most       int64    // bytes of one file; 0: no limit
	Types      []string // of FileTypes; empty: all. Only where files wait
	Quarantine bool     // files wait at the broker until they were looked at
}

// Size is Most in words.
func (r FileRule) Size() string { return source.Size(r.Most) }

// Is says whether anything is asked for.
func (r FileRule) Is() bool {
	return len(r.Paths) > 0 || r.Most > 0 || len(r.Types) > 0 || r.Quarantine
}

// Is says whether anything is asked for in a direction.
func (r FileRules) Is() bool { return r.In.Is() || r.Out.Is() }

// FileTypes are what a file can be told to be by its first bytes.
var FileTypes = []string{"text", "xml", "zip", "gzip", "bzip2", "xz", "7z", "rar", "tar", "cab", "pdf", "png", "jpeg", "gif", "bmp", "office", "rtf",
	"exe", "elf", "script", "class", "sqlite", "empty", "other"}

// May says whether a file of this canonical absolute path is let through; in
// a pattern * and ? stand for parts of one name, and ** as a name of its own for
// any names or none.
func (r FileRule) May(canonical string) bool {
	if len(r.Paths) == 0 {
		return true
	}
	if !path.IsAbs(canonical) || path.Clean(canonical) != canonical {
		return false
	}
	names := strings.Split(canonical[1:], "/")
	return slices.ContainsFunc(r.Paths, func(p string) bool { return fits(strings.Split(p[1:], "/"), names) })
}

// Might says whether a machine could take this path for one that May lets through: Windows does so whatever the case
// of names, the dots and spaces behind them and a stream that a colon names, and by a short name (OUT~1).
func (r FileRule) Might(canonical string) bool {
	if len(r.Paths) == 0 || shortName.MatchString(canonical) {
		return true
	}
	names := strings.Split(strings.TrimPrefix(strings.ToLower(canonical), "/"), "/")
	for i, n := range names {
		if i > 0 { // the first may be a drive, C:
			n, _, _ = strings.Cut(n, ":")
		}
		names[i] = strings.TrimRight(n, ". ")
	}
	return slices.ContainsFunc(r.Paths, func(p string) bool { return fits(strings.Split(strings.ToLower(p[1:]), "/"), names) })
}

var shortName = regexp.MustCompile(`~[0-9]`)

// fits: a pattern has at most maxPatternNames names and one **, so this ends soon.
func fits(pattern, names []string) bool {
	for i, p := range pattern {
		if p == "**" {
			rest := pattern[i+1:]
			return len(names) > i+len(rest) && fits(rest, names[len(names)-len(rest):])
		}
		if i >= len(names) {
			return false
		}
		if ok, err := path.Match(p, names[i]); !ok || err != nil {
			return false
		}
	}
	return len(pattern) == len(names)
}

// fileRules are those of an account, in the plant's own memory; nil: none.
func (p *Port) fileRules(name AccountName) *FileRules {
	for i := range p.Accounts {
		if a := &p.Accounts[i]; a.Name == name && a.Files.Is() {
			return &a.Files
		}
	}
	return nil
}

// FilesOf are the rules for files of an account; the zero value where there are none.
func (p *Plant) FilesOf(a AssetName, n AccountName) FileRules {
	asset, _ := p.Asset(a)
	port, _ := asset.Port("ssh")
	account, _ := port.Account(n)
	return account.Files
}

// words is the rule in the file's own words.
func (r FileRule) words() string {
	var all []string
	if len(r.Paths) > 0 {
		all = append(all, "only "+strings.Join(r.Paths, " "))
	}
	if r.Most > 0 {
		all = append(all, "at most "+source.Size(r.Most)+" each")
	}
	if len(r.Types) > 0 {
		all = append(all, "only "+strings.Join(r.Types, ", "))
	}
	if r.Quarantine {
		all = append(all, "each waits until it was looked at")
	}
	return strings.Join(all, ", ")
}

// words is empty where nothing is asked for.
func (r FileRules) words() string {
	var all []string
	if in := r.In.words(); in != "" {
		all = append(all, "in: "+in)
	}
	if out := r.Out.words(); out != "" {
		all = append(all, "out: "+out)
	}
	return strings.Join(all, "; ")
}

const (
	maxPatternNames = 32
	leastFile       = 1
	mostFile        = 1 << 40
)

// fileRules reads `files`: content or hashes, or a mapping with keep, in and out.
func (f *file) fileRules(v source.Value, a *Account) {
	if !v.Here() {
		return
	}
	if v.Kind() == "text" {
		a.Hashes = v.OneOf("content", "hashes") == "hashes"
		return
	}
	s := v.Fields("keep", "in", "out")
	a.Hashes = s.Get("keep").OneOf("content", "hashes") == "hashes"
	a.Files.In = f.fileRule(s.Get("in"), a.Worst.Has(Load), "load")
	a.Files.Out = f.fileRule(s.Get("out"), a.Worst.Has(Copy), "copy")
}

func (f *file) fileRule(v source.Value, can bool, right string) (r FileRule) {
	if !v.Here() {
		return r
	}
	if !can {
		v.Refuse("the account has no right to "+right+", so no file passes here", "take the rule out, or give the right")
	}
	s := v.Fields("paths", "most", "types", "quarantine")
	for _, at := range f.some(s.Get("paths")) {
		if p, wrong := pathPattern(at.Text()); wrong != "" {
			at.Refuse(wrong, "an absolute path such as /srv/recipes/*.csv, or /srv/recipes/ with all below it")
		} else if !slices.Contains(r.Paths, p) {
			r.Paths = append(r.Paths, p)
		}
	}
	if s.Get("paths").Here() && len(r.Paths) == 0 {
		s.Get("paths").Refuse("no path is named, so nothing could pass", "name one, or leave paths out")
	}
	r.Most = s.Get("most").Size(leastFile, mostFile)
	for _, at := range f.some(s.Get("types")) {
		if t := at.OneOf(FileTypes...); t != "" && !slices.Contains(r.Types, t) {
			r.Types = append(r.Types, t)
		}
	}
	if r.Quarantine = s.Get("quarantine").Bool(); !r.Quarantine && len(r.Types) > 0 {
		s.Get("types").Refuse("what a file is can be told only while it waits", "add quarantine: true")
	}
	return r
}

// pathPattern makes a pattern of what was written.
func pathPattern(text string) (pattern, wrong string) {
	if strings.HasSuffix(text, "/") {
		text += "**"
	}
	switch {
	case !path.IsAbs(text) || path.Clean(text) != text || text == "/":
		return "", fmt.Sprintf("%q is no absolute path in its shortest form", text)
	case strings.Count(text, "**") > 1:
		return "", fmt.Sprintf("%q has ** more than once", text)
	}
	names := strings.Split(text[1:], "/")
	if len(names) > maxPatternNames {
		return "", fmt.Sprintf("%q has more than %d names", text, maxPatternNames)
	}
	for _, n := range names {
		if _, err := path.Match(n, ""); err != nil {
			return "", fmt.Sprintf("%q: %v", n, err)
		}
		if strings.Contains(n, "**") && n != "**" {
			return "", fmt.Sprintf("in %q, ** is no name of its own", text)
		}
	}
	return text, ""
}

// filesSay is one sentence for whoever is asked: what may pass besides what the
// rights say. Empty where no way in has such rules for these rights.
func (p *Plant) filesSay(targets []Target, rights Rights) string {
	var all []string
	for _, t := range targets {
		a, _ := p.Asset(t.Asset)
		port, ok := a.Port("ssh")
		account, known := port.Account(t.Account)
		if !ok || !known || t.Port != "ssh" && t.Port != "sftp" {
			continue
		}
		rules := account.Files
		if !rights.Has(Load) {
			rules.In = FileRule{}
		}
		if !rights.Has(Copy) {
			rules.Out = FileRule{}
		}
		if w := rules.words(); w != "" {
			all = append(all, fmt.Sprintf("%s on %s: %s", t.Account, cmp.Or(a.Tag, string(a.Name)), w))
		}
	}
	if len(all) == 0 {
		return ""
	}
	said := "Files as " + strings.Join(all, ". ") + "."
	const most = 900 // of the text that people sign
	if len(said) > most {
		said = strings.ToValidUTF8(said[:most], "") + "… (see the plant file)"
	}
	return said
}
