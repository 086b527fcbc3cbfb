package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"penstock/audit"
	"penstock/audit/recording"
	"penstock/policy/source"
)

const (
	modeReadable = "readable" // the broker keeps a key to every recording
	modeSealed   = "sealed"   // only the auditors have one
)

// recordingsFile is the part recordings of penstock.yaml: who can open what is recorded from now on.
type recordingsFile struct {
	Mode     string    // readable or sealed
	Auditors []auditor // sealed: at least one
}

// auditor is a person whose age key opens sealed recordings. One person may have several keys.
type auditor struct{ Person, Key string }

// mostAuditors: the event that names them has to fit a leaf.
const mostAuditors = 16

func readRecordings(v source.Value) recordingsFile {
	r := recordingsFile{Mode: modeReadable}
	if !v.Here() {
		return r
	}
	part := v.Fields("mode", "auditors")
	if r.Mode = part.Need("mode").OneOf(modeReadable, modeSealed); r.Mode == "" {
		r.Mode = modeReadable // told already
		return r
	}
	list := part.Get("auditors")
	if r.Mode == modeReadable {
		if list.Here() {
			list.Refuse("auditors are for sealed recordings, and these are readable", "say mode: sealed, or take the auditors out")
		}
		return r
	}
	seen := map[string]bool{}
	for _, item := range part.Need("auditors").Items() {
		r.Auditors = append(r.Auditors, readAuditor(item, seen))
	}
	switch {
	case !list.Here():
	case len(r.Auditors) == 0:
		list.Refuse("nobody could ever open a sealed recording", "name at least one auditor: - {person: sec, key: age1…}; better two")
	case len(r.Auditors) > mostAuditors:
		list.Refuse(fmt.Sprintf("%d keys, and %d are the most", len(r.Auditors), mostAuditors), "name those who review")
	default:
		if err := recording.CheckRecipients(r.recipients()); err != nil {
			list.Refuse(err.Error(), "use keys of one kind")
		}
	}
	return r
}

func readAuditor(v source.Value, seen map[string]bool) (a auditor) {
	part := v.Fields("person", "key")
	a.Person, a.Key = part.Need("person").Text(), part.Need("key").Text()
	if a.Person != "" && !placeWord.MatchString(a.Person) {
		part.Get("person").Refuse(fmt.Sprintf("%q is no short name of a person", a.Person), "a to z, 0 to 9 and -, such as sec")
	}
	if a.Key == "" {
		return a
	}
	if err := recording.CheckRecipient(a.Key); err != nil {
		part.Get("key").Refuse(err.Error(), "the public line of age-keygen, such as age1ql3z7hjy…")
	} else if seen[a.Key] {
		part.Get("key").Refuse("this key is named twice", "once is enough")
	}
	seen[a.Key] = true
	return a
}

func (r recordingsFile) recipients() []string {
	var list []string
	for _, a := range r.Auditors {
		list = append(list, a.Key)
	}
	return list
}

// people are the auditors, each once.
func (r recordingsFile) people() []string {
	var list []string
	for _, a := range r.Auditors {
		if !slices.Contains(list, a.Person) {
			list = append(list, a.Person)
		}
	}
	return list
}

// event is what the log says of it. The keys themselves are in penstock.yaml,
// which the log names by its hash.
func (r recordingsFile) event() audit.RecordingMode {
	e := audit.RecordingMode{Mode: r.Mode}
	for _, a := range r.Auditors {
		e.Auditors = append(e.Auditors, audit.Auditor{Person: a.Person, Key: audit.HashOf([]byte(a.Key))})
	}
	return e
}

func sameMode(a, b audit.RecordingMode) bool {
	return a.Mode == b.Mode && slices.Equal(a.Auditors, b.Auditors)
}

// recordingsKey is the broker's own key to recordings. In sealed mode none is
// made; one that is there from readable times opens what was recorded then, and
// may be taken away.
func (h *plantHouse) recordingsKey(past *history) (recipient, identity string, err error) {
	const name = "recordings.key"
	if h.file.Recordings.Mode == modeSealed {
		if _, err := os.Lstat(filepath.Join(h.folder.keys(), name)); errors.Is(err, fs.ErrNotExist) {
			return "", "", nil
		}
	} else if past.readable && !h.file.NewKeys {
		if err := h.folder.hasKeys(name); err != nil {
			return "", "", err
		}
	}
	id, all, err := h.folder.identity(name)
	if err != nil {
		return "", "", err
	}
	return id.Recipient().String(), all, nil
}

// sealing gives the archive who can open what it records, and writes so where it changed.
func (h *plantHouse) sealing(ctx context.Context, past *history, p *recording.Parts) error {
	own, identity, err := h.recordingsKey(past)
	if err != nil {
		return err
	}
	r := h.file.Recordings
	p.Mode, p.Identity, p.Recipients = r.Mode, identity, []string{own}
	if r.Mode == modeSealed {
		p.Recipients, p.SealedTo = r.recipients(), r.people()
		if slices.Contains(p.Recipients, own) {
			return fmt.Errorf("recordings: one of the auditors' keys is this broker's own, which lies in %s: what is sealed to it is not sealed. Let each auditor make a key on a machine of theirs", h.folder.keys())
		}
	}
	if e := r.event(); !sameMode(e, past.mode) {
		if _, err := h.log.Append(ctx, audit.Event{Subject: h.file.Node, Actor: "penstock", Body: e}); err != nil {
			return fmt.Errorf("write who can open recordings: %w", err)
		}
		h.slog.Warn("recordings from now on are "+r.Mode, "auditors", r.people())
	}
	return nil
}
