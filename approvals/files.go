package approvals

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// FileState is where a file stands that waits at the broker.
type FileState string

const (
	FileHeld       FileState = "held"       // its bytes are durable here; nobody has looked yet
	FileLooked     FileState = "looked"     // type and scanner have spoken, and found nothing; it waits for an opener
	FileReleased   FileState = "released"   // let through; not on its way yet
	FileDelivering FileState = "delivering" // on its way; only what stands on the machine says how far
	FileDelivered  FileState = "delivered"
	FileRefused    FileState = "refused"
	FileExpired    FileState = "expired"
)

// fileSteps is every step of a file; what is not here is an error. A delivery
// that broke off is told again as delivering.
var fileSteps = map[FileState][]FileState{
	"":             {FileHeld},
	FileHeld:       {FileLooked, FileRefused, FileExpired},
	FileLooked:     {FileReleased, FileRefused, FileExpired},
	FileReleased:   {FileDelivering, FileRefused, FileExpired},
	FileDelivering: {FileDelivering, FileDelivered, FileRefused, FileExpired},
}

// FileHashes reads what somebody wrote of files that will be brought: one SHA-256 a
// line, with or without sha256: before it, in capitals or not, and what sha256sum
// writes behind it. It bounds nothing: the request's text does.
func FileHashes(lines []string) (all []audit.Hash, err error) {
	for _, line := range lines {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		h, err := audit.ParseHash("sha256:" + strings.TrimPrefix(strings.ToLower(words[0]), "sha256:"))
		if err != nil || h.IsZero() {
			return nil, &policy.Refusal{Rule: "bad-hash", Say: fmt.Sprintf("%.80q is no SHA-256 of a file. Write one a line, 64 digits of 0-9 and a-f, as sha256sum prints them.", line), Why: fmt.Sprint(err)}
		}
		all = append(all, h)
	}
	return all, nil
}

// What a scanner says of a file.
const (
	ScanClean = "clean"
	ScanFound = "found"
	ScanNone  = "none" // the plant has no scanner: people look
)

const (
	mostFiles    = 256 // that wait, of all windows; each is bytes that a vendor can cause without anybody's yes
	mostOwnFiles = 128 // of one window: nobody takes all of it
	mostFilePath = 512 // bytes
)

// File is one file that waits, or has.
type File struct {
	ID      string             `json:"file"` // F-1
	Window  policy.WindowID    `json:"window"`
	Session policy.SessionID   `json:"session"`
	Person  policy.PersonID    `json:"person"`
	Out     bool               `json:"out,omitempty"` // fetched from the machine, for somebody of the window to take
	Asset   policy.AssetName   `json:"asset"`
	Account policy.AccountName `json:"account"`
	Path    string             `json:"path"`
	Bytes   int64              `json:"bytes"`
	SHA256  audit.Hash         `json:"sha256"`
	Source  string             `json:"source"` // whence they came who sent it
	Key     string             `json:"key"`    // fingerprint of their key
	Kept    string             `json:"kept"`
	State   FileState          `json:"state"`
	By      string             `json:"by,omitempty"` // of the newest step
	Why     string             `json:"why,omitempty"`
	Kind    string             `json:"kind,omitempty"` // text, zip, exe, …
	Scan    string             `json:"scan,omitempty"`
	At      time.Time          `json:"at"`              // it came
	Moved   time.Time          `json:"moved"`           // the newest step
	Begun   bool               `json:"begun,omitempty"` // it was on its way: part of it, or all, may have come where it was to go

	row uint64
}

// Waits says whether its bytes are still needed.
func (f File) Waits() bool { return len(fileSteps[f.State]) > 0 }

func fileKey(id string) string { return "file/" + id }

// FilePath says whether a file of this path can wait: people read it, and it stands in a leaf.
func FilePath(path string) error {
	if len(path) > mostFilePath || !utf8.ValidString(path) || strings.ContainsFunc(path, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return refuse("file-name", "A file that waits has a name of plain text, with its path at most %d bytes. Rename it.", mostFilePath)
	}
	return nil
}

// HoldFile tells of a file whose bytes are durable in the holding folder. It
// gives nothing to anybody: what was sent does not go on.
func (d *Desk) HoldFile(ctx context.Context, h audit.FileHeld) (File, error) {
	if err := FilePath(h.Path); err != nil {
		return File{}, err
	}
	return again(func() (File, error) {
		waiting, err := d.FilesWaiting(ctx)
		if err != nil {
			return File{}, err
		}
		if err := d.refusedBefore(ctx, h); err != nil {
			return File{}, err
		}
		own := 0
		for _, f := range waiting {
			if string(f.Window) == h.Window {
				own++
			}
		}
		if len(waiting) >= mostFiles || own >= mostOwnFiles {
			return File{}, refuse("files-waiting", "%d files wait at the plant already, %d of them of %s. Ask the control room to look at them.", len(waiting), own, h.Window)
		}
		h.File, h.At = d.heads.next("file/F-"), d.second()
		if _, err := d.commit(ctx, fileKey(h.File), 1, h.Person, h); err != nil {
			return File{}, err
		}
		return d.fileRow(ctx, h.File)
	})
}

// refusedBefore: what was refused is not fetched again, as long as it has the same bytes.
func (d *Desk) refusedBefore(ctx context.Context, h audit.FileHeld) error {
	if h.Direction != "out" {
		return nil
	}
	list, err := d.filesOf(ctx, policy.WindowID(h.Window))
	if err != nil {
		return err
	}
	for _, f := range list {
		if f.State == FileRefused && f.SHA256 == h.SHA256 && f.from(f.Window, policy.AssetName(h.Asset), policy.AccountName(h.Account), h.Path) {
			return refuse("file-refused", "This file was refused as %s: %s. It is not taken out in %s.", f.ID, cmp.Or(f.Why, "no reason was given"), f.Window)
		}
	}
	return nil
}

// from says whether it was fetched in this window from this place.
func (f File) from(w policy.WindowID, a policy.AssetName, n policy.AccountName, path string) bool {
	return f.Out && f.Window == w && f.Asset == a && f.Account == n && f.Path == path
}

// Fetched is the newest file that waits, of those fetched in this window from this place; false: there is none.
func (d *Desk) Fetched(ctx context.Context, w policy.WindowID, a policy.AssetName, n policy.AccountName, path string) (found File, ok bool, err error) {
	list, err := d.FilesWaiting(ctx)
	for _, f := range list {
		if f.from(w, a, n, path) {
			found, ok = f, true
		}
	}
	return found, ok, err
}

// LookedAt tells what type and scanner say of a file. What was found, or is of no
// type that may pass, is refused by it; what the signed request names by its
// hash is let through by it.
func (d *Desk) LookedAt(ctx context.Context, id, kind, scan, why, database string) (File, error) {
	return d.moveFile(ctx, id, func(f File, w windowRow) (audit.FileMoved, string, []people.Person, error) {
		m := audit.FileMoved{To: string(FileLooked), By: penstock, Kind: kind, Scan: scan, Why: why, Database: database}
		rules := d.plant().FilesOf(f.Asset, f.Account).In
		if f.Out {
			rules = d.plant().FilesOf(f.Asset, f.Account).Out
		}
		switch {
		case scan == ScanFound:
			m.To = string(FileRefused)
		case len(rules.Types) > 0 && !slices.Contains(rules.Types, kind):
			m.To, m.Why = string(FileRefused), fmt.Sprintf("it is %s by its first bytes, and may be: %s", kind, strings.Join(rules.Types, ", "))
		}
		return m, penstock, nil, nil
	})
}

// ReleaseNamed lets a file through that the signed request names by its hash;
// false if it does not.
func (d *Desk) ReleaseNamed(ctx context.Context, id string) (File, bool, error) {
	f, err := d.fileRow(ctx, id)
	if err != nil {
		return f, false, err
	}
	named, err := d.isNamed(ctx, f)
	if err != nil || !named {
		return f, false, err
	}
	f, err = d.moveFile(ctx, id, func(f File, w windowRow) (audit.FileMoved, string, []people.Person, error) {
		return audit.FileMoved{To: string(FileReleased), By: penstock, Why: "the signed request names its hash"}, penstock, nil, d.runs(w)
	})
	return f, err == nil, err
}

// FileAsks says whether a file waits for a person, and who may let it through and is
// on duty now. What the signed request names, or nobody has looked at, waits for none.
func (d *Desk) FileAsks(ctx context.Context, id string) (who []policy.PersonID, waits bool, err error) {
	f, err := d.fileRow(ctx, id)
	if err != nil || f.State != FileLooked {
		return nil, false, err
	}
	if named, err := d.isNamed(ctx, f); err != nil || named {
		return nil, false, err
	}
	_, claim, err := d.claimed(ctx, f.Window)
	if err != nil {
		return nil, false, err
	}
	doc, _, err := d.request(ctx, claim.Request)
	if err != nil {
		return nil, false, err
	}
	q, err := d.quorum(ctx, doc)
	if err != nil {
		return nil, false, err
	}
	duty, err := d.Duty(ctx)
	if err != nil {
		return nil, false, err
	}
	for _, role := range q.Openers {
		who = append(who, duty.On(role, d.now())...)
	}
	slices.Sort(who)
	return slices.Compact(who), true, nil
}

// isNamed: a request names what will be brought; what is taken out always waits for a person.
func (d *Desk) isNamed(ctx context.Context, f File) (bool, error) {
	if f.Out {
		return false, nil
	}
	_, claim, err := d.claimed(ctx, f.Window)
	if err != nil {
		return false, err
	}
	doc, _, err := d.request(ctx, claim.Request)
	return err == nil && slices.Contains(doc.FileHashes, f.SHA256), err
}

func (d *Desk) runs(w windowRow) error {
	if !w.runs() {
		return refuse("illegal-step", "%s is %s, so nothing goes to a machine by it any more.", w.Window, w.State)
	}
	return nil
}

// ReleaseFile lets a file through that was looked at: by somebody who may open its
// window, does not work in it, and gives a code. sum is the hash that they saw.
func (d *Desk) ReleaseFile(ctx context.Context, by people.Actor, id string, sum audit.Hash) (File, error) {
	return d.moveFile(ctx, id, func(f File, w windowRow) (audit.FileMoved, string, []people.Person, error) {
		m := audit.FileMoved{To: string(FileReleased), By: string(by.Person)}
		claim, err := d.claim(ctx, w)
		if err != nil {
			return m, "", nil, err
		}
		p, err := d.opener(ctx, by, claim)
		switch {
		case err != nil:
		case sum != f.SHA256:
			err = refuse("other-file", "%s is another file than the one that you saw. Look at it again.", id)
		case f.State == FileHeld:
			err = refuse("not-looked-at", "Type and scanner have not spoken about %s yet. It can be refused now, or let through once they have.", id)
		default:
			err = d.runs(w)
		}
		return m, string(by.Person), []people.Person{p}, err
	})
}

// FileStopper keeps files that wait; broker/holding is it.
type FileStopper interface {
	// StopFile has a file go no further at once, also in the middle of it; said is
	// what the vendor reads. false: it is too late, it has its name or gets it now.
	StopFile(id, said string) bool
	// GoFile takes that back.
	GoFile(id string)
}

// StopsFiles sets who stops files that are on their way; before anything is served.
func (d *Desk) StopsFiles(s FileStopper) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopsFiles = s
}

// RefuseFile keeps a file from where it was to go, for good: by whoever may take. No
// code. One that is on its way, or half taken, goes no further: effect first.
func (d *Desk) RefuseFile(ctx context.Context, by people.Actor, id, why string) (File, error) {
	if err := d.mayTake(by); err != nil {
		return File{}, err
	}
	d.mu.Lock()
	s := d.stopsFiles
	d.mu.Unlock()
	if s != nil && !s.StopFile(id, fmt.Sprintf("%s was refused by %s%s. It goes no further.", id, d.says(by), colon(cleaned(why)))) {
		return File{}, refuse("file-there", "%s is whole at its machine, and has its name there or gets it now. Look at the machine; what it does with it you stop there.", id)
	}
	f, err := d.refuseFile(context.WithoutCancel(ctx), by, id, why)
	switch {
	case refused(err) && s != nil:
		if now, lost := d.fileRow(ctx, id); refused(lost) || lost == nil && now.State != FileRefused { // who came first has refused it
			s.GoFile(id)
		}
	case err != nil && !refused(err):
		return f, d.admitNothing(fmt.Errorf("write that %s was refused", id), err)
	}
	return f, err
}

func (d *Desk) refuseFile(ctx context.Context, by people.Actor, id, why string) (File, error) {
	return d.moveFile(ctx, id, func(f File, _ windowRow) (audit.FileMoved, string, []people.Person, error) {
		return audit.FileMoved{To: string(FileRefused), By: string(by.Person), Why: cleaned(why)}, string(by.Person), nil, nil
	})
}

// DeliverFile tells that a file goes to its machine now, or to whoever takes it out; it is written before the first byte.
func (d *Desk) DeliverFile(ctx context.Context, id string, s policy.SessionID, channel int) (File, error) {
	return d.moveFile(ctx, id, func(f File, w windowRow) (audit.FileMoved, string, []people.Person, error) {
		return audit.FileMoved{To: string(FileDelivering), By: penstock, Session: string(s), Channel: channel}, penstock, nil, d.runs(w)
	})
}

// DeliveredFile tells that it is there, whole.
func (d *Desk) DeliveredFile(ctx context.Context, id string, s policy.SessionID, channel int, why string) (File, error) {
	return d.moveFile(ctx, id, func(File, windowRow) (audit.FileMoved, string, []people.Person, error) {
		return audit.FileMoved{To: string(FileDelivered), By: penstock, Session: string(s), Channel: channel, Why: why}, penstock, nil, nil
	})
}

// ExpireFile tells that nobody waits for a file any more; its bytes are deleted after it.
func (d *Desk) ExpireFile(ctx context.Context, id, why string) (File, error) {
	return d.moveFile(ctx, id, func(File, windowRow) (audit.FileMoved, string, []people.Person, error) {
		return audit.FileMoved{To: string(FileExpired), By: penstock, Why: why}, penstock, nil, nil
	})
}

// moveFile makes one step of a file.
func (d *Desk) moveFile(ctx context.Context, id string, step func(File, windowRow) (audit.FileMoved, string, []people.Person, error)) (File, error) {
	return again(func() (File, error) {
		f, err := d.fileRow(ctx, id)
		if err != nil {
			return f, err
		}
		w, err := d.windowRow(ctx, f.Window)
		if err != nil {
			return f, err
		}
		m, actor, on, err := step(f, w)
		if err != nil {
			return f, err
		}
		if !slices.Contains(fileSteps[f.State], FileState(m.To)) {
			return f, illegal(id, string(f.State), m.To)
		}
		m.File, m.Window, m.SHA256, m.At = id, string(f.Window), f.SHA256, d.second()
		if _, err := d.commit(ctx, fileKey(id), f.row+1, actor, m, on...); err != nil {
			return f, err
		}
		return d.fileRow(ctx, id)
	})
}

func (d *Desk) fileRow(ctx context.Context, id string) (f File, err error) {
	rev, there, err := d.read(ctx, fileKey(id), &f)
	if f.row = rev; err == nil && !there {
		err = refuse("no-such-file", "There is no file %.40q. See `files` for those that wait.", id)
	}
	return f, err
}

// File is one file; vendors' people see the files of their firm's windows.
func (d *Desk) File(ctx context.Context, by people.Actor, id string) (File, error) {
	f, err := d.fileRow(ctx, id)
	if err != nil {
		return f, err
	}
	w, err := d.windowRow(ctx, f.Window)
	if err != nil {
		return f, err
	}
	return f, seen(by, w.Firm, "file", id)
}

// Files are those of a window that wait or have waited, oldest first.
func (d *Desk) Files(ctx context.Context, by people.Actor, id policy.WindowID) (list []File, err error) {
	w, err := d.windowRow(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := seen(by, w.Firm, "window", string(id)); err != nil {
		return nil, err
	}
	return d.filesOf(ctx, id)
}

func (d *Desk) filesOf(ctx context.Context, w policy.WindowID) (list []File, err error) {
	if err := d.heads.load(ctx, d.log, &d.keys); err != nil {
		return nil, err
	}
	for _, id := range d.heads.filesOf(string(w)) {
		f, err := d.fileRow(ctx, id)
		if err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	return list, nil
}

// FilesWaiting are those of all windows that wait, for the broker itself.
func (d *Desk) FilesWaiting(ctx context.Context) (list []File, err error) {
	err = d.eachLiving(ctx, "file/", func(id string) (over bool, err error) {
		f, err := d.fileRow(ctx, id)
		if err == nil && f.Waits() {
			list = append(list, f)
		}
		return !f.Waits(), err
	})
	return list, err
}

// file makes the row of file.held and file.moved.
func (f folder) file(ctx context.Context, rows state.Reader, leaf audit.Leaf) ([]state.Change, error) {
	r, err := load[File](ctx, rows, fileKey(leaf.Subject))
	if err != nil || leaf.Rev != r.rev+1 {
		return nil, err
	}
	to := FileHeld
	m, moved := leaf.Body.(audit.FileMoved)
	if moved {
		to = FileState(m.To)
	}
	if !slices.Contains(fileSteps[r.value.State], to) {
		return nil, illegal(leaf.Subject, string(r.value.State), string(to))
	}
	if b, ok := leaf.Body.(audit.FileHeld); ok {
		r.value = File{Out: b.Direction == "out", ID: b.File, Window: policy.WindowID(b.Window), Session: policy.SessionID(b.Session), Person: policy.PersonID(b.Person), Asset: policy.AssetName(b.Asset),
			Account: policy.AccountName(b.Account), Path: b.Path, Bytes: b.Bytes, SHA256: b.SHA256, Source: b.Source, Key: b.Key, Kept: b.Kept, At: b.At, Moved: b.At}
	}
	r.value.State, r.value.Begun = to, r.value.Begun || to == FileDelivering
	if moved {
		if m.SHA256 != r.value.SHA256 || m.Window != string(r.value.Window) {
			return nil, fmt.Errorf("%s is of another file than it says", leaf.Subject)
		}
		r.value.By, r.value.Why, r.value.Moved = m.By, m.Why, m.At
		if m.Scan != "" {
			r.value.Kind, r.value.Scan = m.Kind, m.Scan
		}
	}
	return r.changed()
}
