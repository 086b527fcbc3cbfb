package sftp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"penstock/policy"
)

// Where the plant file says which files may pass through an account, each
// request is held to it on the canonical path that the machine itself gives, and
// goes on with that path. What could change what a path means between the question
// and the operation is not carried on such an account: links, and the moving of
// folders and of links. Whoever has a shell there can do it all the same.

const probePatience = 20 * time.Second // for the machine's answer to a question of ours

// sending is what a request needs of its surroundings.
type sending struct {
	ctx   context.Context
	flush func() error       // what goes on together so far
	send  func([]byte) error // to the machine, through the gate
}

// told is an answer of the machine to a question of ours.
type told struct {
	kind byte
	body []byte // behind the number
}

func fileRefusal(rule, say, why string, args ...any) *policy.Refusal {
	return &policy.Refusal{Rule: rule, Say: say, Why: fmt.Sprintf(why, args...)}
}

// rule holds a wish to the rules; raw is the request as it goes on. A *policy.Refusal or *inBand
// is answered in its place; another error ends the channel.
func (s *files) rule(at sending, id uint32, w *wish, raw []byte, rules *policy.FileRules) ([]byte, error) {
	if w.size != nil && rules.In.Most > 0 && *w.size > uint64(rules.In.Most) {
		return nil, tooLarge(w.path, "in", rules.In)
	}
	if w.size != nil && rules.In.Quarantine && (w.f == nil || w.f.held == nil) { // also where no rule names paths
		return nil, fileRefusal("file-held", "Files wait here before they go to the machine, so none there is cut or made longer. Send it anew, whole.", "size %d of %s", *w.size, safe(w.path))
	}
	if len(rules.In.Paths)+len(rules.Out.Paths) > 0 && strings.Contains(w.path+w.to, `\`) {
		return nil, fileRefusal("file-path", `A name with a backslash does not pass where the plant has rules for paths: some machines take it for a slash. Write folders with /, or use another name.`, "%s %s", safe(w.path), safe(w.to))
	}
	switch w.kind {
	case fxOpen:
		return s.ruleOpen(at, id, w, raw, rules)
	case fxExtended:
		switch w.ext {
		case "copy-data":
			if rules.In.Is() {
				return nil, fileRefusal("file-rules", "Files are not copied on the machine where the plant has rules for what comes in. Upload the file again.", "copy-data to %s", safe(w.path))
			}
			return raw, nil
		case "hardlink@openssh.com":
			return s.ruleLink(w, raw, rules)
		case "lsetstat@openssh.com":
			return s.rulePath(at, id, w, raw, rules, itself)
		case "posix-rename@openssh.com":
			return s.ruleRename(at, id, w, raw, rules)
		}
	case fxSymlink:
		return s.ruleLink(w, raw, rules)
	case fxRename:
		return s.ruleRename(at, id, w, raw, rules)
	case fxRemove, fxRmdir, fxMkdir:
		return s.rulePath(at, id, w, raw, rules, itself)
	case fxSetstat:
		return s.rulePath(at, id, w, raw, rules, followed)
	case fxFsetstat: // of a file that is open for reading, on a path that nobody compared with these rules
		if len(rules.In.Paths) > 0 {
			return nil, fileRefusal("file-path", "Attributes are not set through a file that is open for reading, where the plant has rules for what comes in. Set them by its path.", "fsetstat of %s", safe(w.f.path))
		}
	}
	return raw, nil
}

func (s *files) ruleLink(w *wish, raw []byte, rules *policy.FileRules) ([]byte, error) {
	if len(rules.In.Paths)+len(rules.Out.Paths) > 0 || rules.In.Quarantine {
		return nil, fileRefusal("file-link", "Links are not made where the plant has rules for paths: they would make one path mean another.", "link at %s", safe(w.path))
	}
	return raw, nil
}

// outside is the sentence for a path that no rule names.
func outside(p, canonical, direction string, r policy.FileRule) *policy.Refusal {
	return fileRefusal("file-path", fmt.Sprintf("%s is not among the places for files %s: %s. Choose one of them, or ask the plant for another.", safe(canonical), direction, strings.Join(r.Paths, " ")),
		"%s is %s, and rule %s has %s", safe(p), safe(canonical), direction, strings.Join(r.Paths, " "))
}

func tooLarge(p, direction string, r policy.FileRule) *policy.Refusal {
	how := map[string]string{"in": "go in", "out": "be taken out"}[direction]
	return fileRefusal("file-size", fmt.Sprintf("%s is larger than the %s that may %s as one file. Make it smaller or split it, or ask the plant for more.", safe(p), r.Size(), how),
		"%s, at most %d bytes %s", safe(p), r.Most, direction)
}

func (s *files) ruleOpen(at sending, id uint32, w *wish, raw []byte, rules *policy.FileRules) ([]byte, error) {
	writes, reads := w.flags&^uint32(flagRead) != 0, w.flags&flagRead != 0
	if !(writes && rules.In.Is() || reads && rules.Out.Is()) {
		return raw, nil
	}
	canonical, is, err := s.where(at, w.path, followed)
	if err != nil {
		return nil, err
	}
	switch {
	case is.there && is.link():
		return nil, fileRefusal("file-link", "The machine does not say where this link leads, so it is not opened. Use the path that it leads to.", "%s is a link at %s", safe(w.path), safe(canonical))
	case is.there && !is.regular() && is.typed:
		return nil, fileRefusal("file-kind", safe(canonical)+" is no plain file, so it is not opened.", "mode %o", is.mode)
	case writes && !rules.In.May(canonical):
		return nil, outside(w.path, canonical, "in", rules.In)
	case reads && !rules.Out.May(canonical):
		return nil, outside(w.path, canonical, "out", rules.Out)
	case reads && rules.Out.Most > 0 && is.there && is.size > uint64(rules.Out.Most):
		return nil, tooLarge(canonical, "out", rules.Out)
	}
	if writes {
		w.most = rules.In.Most
	}
	if reads {
		w.mostOut = rules.Out.Most
	}
	if w.most > 0 && w.flags&flagAppend != 0 && !rules.In.Quarantine { // offsets of writes say nothing then, and others may append, too
		return nil, fileRefusal("file-size", "Nothing is appended where files may have a size at most. Send the file whole; one that broke off goes on by its place (reput).", "%s with flags %#x", safe(canonical), w.flags)
	}
	w.path = canonical
	if writes && rules.In.Quarantine {
		dir, _ := splitPath(canonical)
		if t, err := s.about(at, fxLstat, dir); err != nil || t.kind != fxAttrs { // some machines resolve what is not there
			return nil, cmp.Or(err, error(errNowhere))
		}
		return nil, s.hold(w, canonical, is)
	}
	if reads && rules.Out.Quarantine {
		return nil, s.takeOut(at, w, canonical, is)
	}
	_, rest := cutText(raw[9:])
	return append(newPacket(fxOpen).u32(id).text(canonical), rest...).done(), nil
}

// rulePath is a change by one path.
func (s *files) rulePath(at sending, id uint32, w *wish, raw []byte, rules *policy.FileRules, how resolving) ([]byte, error) {
	if len(rules.In.Paths) == 0 {
		return raw, nil
	}
	canonical, _, err := s.where(at, w.path, how)
	if err != nil {
		return nil, err
	}
	if !rules.In.May(canonical) {
		return nil, outside(w.path, canonical, "in", rules.In)
	}
	w.path = canonical
	p := newPacket(w.kind).u32(id)
	body := raw[9:]
	if w.kind == fxExtended {
		_, body = cutText(body)
		p = p.text(w.ext)
	}
	_, rest := cutText(body)
	return append(p.text(canonical), rest...).done(), nil
}

func (s *files) ruleRename(at sending, id uint32, w *wish, raw []byte, rules *policy.FileRules) ([]byte, error) {
	if rules.In.Quarantine && s.c.holding != nil {
		if err := s.nameHeld(at, w, rules); err != nil {
			return nil, err
		}
	}
	if len(rules.In.Paths)+len(rules.Out.Paths) == 0 {
		return raw, nil
	}
	from, is, err := s.where(at, w.path, itself)
	if err != nil {
		return nil, err
	}
	to, _, err := s.where(at, w.to, itself)
	if err != nil {
		return nil, err
	}
	switch {
	case !is.there:
		return nil, &inBand{statusNoFile, safe(from) + " is not there"}
	case !is.regular():
		return nil, fileRefusal("file-link", "Only plain files are renamed where the plant has rules for paths: a folder or link that moves makes one path mean another.", "%s has mode %o", safe(from), is.mode)
	case !rules.In.May(from):
		return nil, outside(w.path, from, "in", rules.In)
	case !rules.In.May(to):
		return nil, outside(w.to, to, "in", rules.In)
	case !rules.Out.May(from) && rules.Out.Might(to):
		return nil, outside(w.path, from, "out", rules.Out) // it could be taken out from there
	}
	w.path, w.to = from, to
	p := newPacket(w.kind).u32(id)
	if w.kind == fxExtended {
		p = p.text(w.ext)
	}
	return p.text(from).text(to).done(), nil
}

// cutText takes the first string of b, which has been parsed.
func cutText(b []byte) (first, rest []byte) {
	f := fields{b: b}
	first = f.bytes(maxPacket)
	return first, f.b
}

// resolving says what of a path is followed.
type resolving bool

const (
	followed resolving = true  // a link at the end too
	itself   resolving = false // the entry of the folder
)

// standing is what the machine says of a path, a link not followed.
type standing struct {
	there, typed bool
	size         uint64
	mode         uint32
}

func (a standing) link() bool    { return a.typed && a.mode&0o170000 == 0o120000 }
func (a standing) regular() bool { return a.typed && a.mode&0o170000 == 0o100000 }

var errNowhere = &inBand{statusNoFile, "the machine does not say where that path leads; is its folder there?"}

// where asks the machine for the canonical path, and what stands there.
func (s *files) where(at sending, p string, how resolving) (canonical string, is standing, err error) {
	dir, base := splitPath(p)
	if how == followed || base == "" || base == "." || base == ".." {
		canonical, err = s.realpath(at, p)
		if errors.Is(err, errNowhere) && base != "" && base != "." && base != ".." { // a file to be made, on machines that resolve only what is there
			how = itself
		} else if err != nil {
			return "", is, err
		}
	}
	if canonical == "" {
		if dir, err = s.realpath(at, dir); err != nil {
			return "", is, err
		}
		canonical = strings.TrimSuffix(dir, "/") + "/" + base
	}
	t, err := s.about(at, fxLstat, canonical)
	if err != nil {
		return "", is, err
	}
	f := &fields{b: t.body}
	switch t.kind {
	case fxAttrs:
		is.there = true
		is.size, is.mode, is.typed = f.standing()
		if f.err != nil {
			return "", is, broken("machine", "attributes: %v", f.err)
		}
	case fxStatus:
		if code := f.u32(); code != statusNoFile {
			return "", is, errNowhere
		}
	default:
		return "", is, broken("machine", "an answer of kind %d", t.kind)
	}
	return canonical, is, nil
}

// standing reads size and mode of attributes.
func (f *fields) standing() (size uint64, mode uint32, typed bool) {
	flags := f.u32()
	if flags&attrSize != 0 {
		size = f.u64()
	}
	if flags&attrOwner != 0 {
		f.take(8)
	}
	if flags&attrMode != 0 {
		mode, typed = f.u32(), true
	}
	return size, mode, typed
}

// splitPath cuts the last name off, without cleaning what stands before it: a/../b may lead elsewhere than b.
func splitPath(p string) (dir, base string) {
	p = strings.TrimRight(p, "/")
	i := strings.LastIndexByte(p, '/')
	switch {
	case i < 0:
		return ".", p
	case i == 0:
		return "/", p[1:]
	}
	return p[:i], p[i+1:]
}

func (s *files) realpath(at sending, p string) (string, error) {
	t, err := s.about(at, fxRealpath, p)
	if err != nil {
		return "", err
	}
	f := &fields{b: t.body}
	if t.kind != fxName {
		return "", errNowhere
	}
	n, name := f.u32(), f.text(maxPath)
	if f.err != nil || n != 1 || !strings.HasPrefix(name, "/") {
		return "", errNowhere
	}
	return name, nil
}

// question is one of our own to the machine, which is under way.
type question struct{ answer chan told }

// ask sends one, between two requests of the vendor's; the number is free, and free again once it is answered.
func (s *files) ask(at sending, build func(id uint32) packet) (question, error) {
	q := question{make(chan told, 1)}
	s.mu.Lock()
	id := uint32(math.MaxUint32)
	for s.asked[id] != nil {
		id--
	}
	p := build(id).done()
	s.asked[id] = &request{kind: p[4], answer: q.answer}
	s.mu.Unlock()
	if err := at.send(p); err != nil {
		return q, err
	}
	if s.c.gate.Decision().Duties.InputOff { // it may not have been sent, so no answer is waited for
		return q, fileRefusal("input-off", "The window may only look now, so nothing more is asked of the machine.", "narrowed")
	}
	return q, nil
}

// hear waits for the answer.
func (s *files) hear(at sending, q question) (told, error) {
	late := time.NewTimer(probePatience)
	defer late.Stop()
	select {
	case t := <-q.answer:
		return t, nil
	case <-at.ctx.Done():
		return told{}, context.Cause(at.ctx)
	case <-s.c.gate.Context().Done():
		return told{}, context.Cause(s.c.gate.Context())
	case <-late.C:
		return told{}, broken("machine", "no answer within %s", probePatience)
	}
}

func (s *files) question(at sending, build func(id uint32) packet) (told, error) {
	q, err := s.ask(at, build)
	if err != nil {
		return told{}, err
	}
	return s.hear(at, q)
}

// about asks about one path.
func (s *files) about(at sending, kind byte, p string) (told, error) {
	return s.question(at, func(id uint32) packet { return newPacket(kind).u32(id).text(p) })
}

// past says whether a read or write goes beyond what one file may have.
func (s *files) past(w *wish) bool {
	if w.kind != fxWrite || w.f.most == 0 {
		return w.kind == fxFsetstat && w.size != nil && w.f.most > 0 && *w.size > uint64(w.f.most)
	}
	return w.at+uint64(len(w.data)) > uint64(w.f.most)
}

// tooMuch refuses what past found; the first of a file is told, the rest of what is on its way is only answered.
func (s *files) tooMuch(ctx context.Context, id uint32, w wish) (verdict, error) {
	no := tooLarge(w.f.path, "in", policy.FileRule{Most: w.f.most})
	s.mu.Lock()
	first := !w.f.over
	w.f.over, w.f.failed = true, "larger than may pass"
	s.mu.Unlock()
	if !first {
		return verdict{answer: statusPacket(id, statusDenied, no.Say)}, nil
	}
	return s.refuse(ctx, id, map[string]any{"operation": "write", "path": safe(w.f.path)}, no)
}

// refuse answers a request by the rules' no, recorded and told.
func (s *files) refuse(ctx context.Context, id uint32, record map[string]any, no *policy.Refusal) (verdict, error) {
	if err := s.c.gate.Refuse(ctx, "sftp", record, no); err != nil {
		return verdict{}, err
	}
	s.c.refused(policy.Decision{Rule: no.Rule, Say: no.Say})
	return verdict{answer: statusPacket(id, statusDenied, no.Say)}, nil
}

// Held is why this transfer cannot be held to the rules, nil if it can or need not.
func (j *Job) Held(rules *policy.FileRules) *policy.Refusal {
	if rules == nil || j.Kind == "sftp" {
		return nil
	}
	r := rules.Out
	if j.in {
		r = rules.In
	}
	removes := !j.in && j.Need.Has(policy.Load) && len(rules.In.Paths) > 0 // what was sent is deleted there
	moves := j.in && j.beside && len(rules.Out.Paths) > 0                  // to where it may be taken out
	if !removes && !moves && (!r.Is() || j.Kind == "scp" && len(r.Paths) == 0 && !r.Quarantine) {
		return nil
	}
	return fileRefusal("file-rules", fmt.Sprintf("The plant has rules for files on this account, and %s cannot be held to them. Use sftp, or scp of OpenSSH 9 without -O.", j.Kind), "%s where rules for files stand", j.Kind)
}

// scpSize is the rules' no to one file of scp.
func (s *copies) scpSize(size uint64) *policy.Refusal {
	if s.c == nil { // it is only looked at, for the recording
		return nil
	}
	rules := s.c.gate.Decision().Duties.Files
	if rules == nil {
		return nil
	}
	r, direction := rules.Out, "out"
	if s.j.in {
		r, direction = rules.In, "in"
	}
	if r.Most == 0 || size <= uint64(r.Most) {
		return nil
	}
	return tooLarge(s.where(), direction, r)
}
