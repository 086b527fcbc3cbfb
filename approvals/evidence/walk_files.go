package evidence

import (
	"slices"

	"penstock/audit"
	"penstock/policy"
)

// heldFile is one that waits at the broker.
type heldFile struct {
	held  audit.FileHeld
	state string
	on    [2]any // session and channel of its delivery
}

// fileSteps are from where a step may come.
var fileSteps = map[string][]string{
	"looked": {"held"}, "released": {"looked"}, "refused": {"held", "looked", "released", "delivering"},
	"delivering": {"released", "delivering"}, "delivered": {"delivering"}, "expired": {"held", "looked", "released", "delivering"},
}

// judgeFile says whether the leaf was about a file that waits.
func (w *Walk) judgeFile() bool {
	switch b := w.leaf.Body.(type) {
	case audit.FileHeld:
		w.fileHeld(b)
	case audit.FileMoved:
		w.fileMoved(b)
	default:
		return false
	}
	return true
}

// right is what a channel needs that carries it.
func (f *heldFile) right() string {
	if f.held.Direction == "out" {
		return "copy"
	}
	return "load"
}

// fileHeld: sent, or asked for, in a channel of its window, with the right to.
func (w *Walk) fileHeld(b audit.FileHeld) {
	if !w.must(w.files[b.File] == nil, "%s came before", short(b.File)) {
		return
	}
	if w.files == nil {
		w.files = map[string]*heldFile{}
	}
	w.must(b.Direction == "" || b.Direction == "out", "it goes %s", short(b.Direction))
	f := &heldFile{held: b, state: "held"}
	w.files[b.File] = f
	if s := w.session(b.Session); s != nil {
		w.must(s.person == b.Person && w.leaf.Actor == b.Person, "sent by %s in a session of %s", short(b.Person), s.person)
		w.inChannel(s, b.Channel, b.Window, f)
	}
}

// inChannel: in one that is open, bound to this window and way, with its right; nil if it is not.
func (w *Walk) inChannel(s *session, n int, window string, f *heldFile) *channel {
	c := s.channels[n]
	if !w.must(c != nil && !c.closed, "channel %d is not open", n) {
		return nil
	}
	o := c.opened
	w.must(o.Window == window && o.Asset == f.held.Asset && o.Account == f.held.Account && slices.Contains(o.Rights, f.right()),
		"channel %d is %s on %s in %s (%v)", n, o.Account, o.Asset, o.Window, o.Rights)
	return c
}

// fileMoved: nothing goes on that nobody let through, after it was looked at,
// and only as it was then.
func (w *Walk) fileMoved(b audit.FileMoved) {
	f := w.files[b.File]
	if !w.must(f != nil, "the log does not know %s", short(b.File)) {
		return
	}
	from, known := fileSteps[b.To]
	if !w.must(known && slices.Contains(from, f.state), "it was %s, and becomes %s", f.state, short(b.To)) {
		return
	}
	w.must(b.SHA256 == f.held.SHA256 && b.Window == f.held.Window, "it is about other bytes, or another window, than were held")
	w.must(w.leaf.Actor == b.By, "%s did it, and the leaf says %s", short(w.leaf.Actor), short(b.By))
	f.state = b.To
	v := w.window(b.Window)
	if v == nil {
		return
	}
	switch b.To {
	case "looked":
		w.must(b.By == penstock && (b.Scan == "clean" || b.Scan == "none") && b.Kind != "", "type and scanner say %q and %q", short(b.Kind), short(b.Scan))
	case "released":
		w.released(b, v)
	case "refused":
		if b.By != penstock {
			w.mayTake(b.By, false)
		}
	case "delivering":
		f.on = [2]any{b.Session, b.Channel}
		is, why := w.isOpen(v)
		w.must(is || v.state == "paused" || v.state == "ending" || w.justTaken(v), "%s %s", b.Window, why)
		if s := w.session(b.Session); s != nil {
			w.must(slices.Contains(v.claim.People, s.person), "%s does not work in %s", s.person, b.Window)
			if c := w.inChannel(s, b.Channel, b.Window, f); c != nil && f.held.Direction == "out" {
				c.takes = append(c.takes, f) // told of with the channel's other transfers, when nobody may let it through any more
			}
		}
	}
	if b.To == "refused" || b.To == "expired" || b.To == "delivered" {
		delete(w.files, b.File)
	}
}

func (w *Walk) released(b audit.FileMoved, v *window) {
	if b.By != penstock {
		w.must(w.opens(b.By, v, b.At), "let through by %s, who may not open %s", short(b.By), b.Window)
		return
	}
	if !w.must(w.files[b.File].held.Direction != "out", "nobody let it out") {
		return
	}
	doc := w.document("request", v.text)
	if doc == nil {
		return
	}
	r, err := ParseRequest(doc)
	w.must(err == nil && slices.Contains(r.FileHashes, b.SHA256), "nobody let it through, and the request does not name its hash")
}

// waitsFirst: where the plant file has files wait, no other bytes pass than
// those that were let through, and are on their way.
func (w *Walk) waitsFirst(b audit.FileTransferred, c *channel) {
	if b.Direction == "out" {
		w.waitsOut(b, c)
		return
	}
	if b.Bytes == 0 {
		return
	}
	w.must(b.File == "", "it is told as a file that is taken out")
	if b.By == penstock {
		for _, f := range w.files {
			if f.on == [2]any{b.Session, b.Channel} && f.state == "delivering" {
				w.must(b.Whole && b.SHA256 == f.held.SHA256 && b.Bytes == f.held.Bytes, "Penstock delivered other bytes than were let through")
				w.must(b.Path == f.held.Path, "Penstock delivered to another place than was let through: %s", short(b.Path))
				return
			}
		}
		w.must(false, "Penstock delivered a file that nobody let through")
		return
	}
	quarantine := w.filesAlways(b, func(r policy.FileRules) bool { return r.In.Quarantine })
	w.must(!quarantine, "it went in past the quarantine that the plant file asks for")
}

// filesAlways says whether every plant file that may have counted has this of the way that the bytes took.
func (w *Walk) filesAlways(b audit.FileTransferred, has func(policy.FileRules) bool) bool {
	return !slices.ContainsFunc(w.now(), func(p *policy.Plant) bool {
		return p == nil || !has(p.FilesOf(policy.AssetName(b.Asset), policy.AccountName(b.Account)))
	})
}

// waitsOut: what was taken out is the file that waited, whole or a part of it.
func (w *Walk) waitsOut(b audit.FileTransferred, c *channel) {
	if b.File != "" {
		i := slices.IndexFunc(c.takes, func(f *heldFile) bool { return f.held.File == b.File })
		if w.must(i >= 0, "%s was let out to nobody in channel %d", short(b.File), b.Channel) {
			h := c.takes[i].held
			w.must(!b.Whole || b.SHA256 == h.SHA256 && b.Bytes == h.Bytes, "other bytes were taken out than were let through as %s", h.File)
			w.must(b.Whole || b.Hashed != "content" || b.Offset+b.Bytes <= h.Bytes, "more was taken out than %s has", h.File)
		}
		return
	}
	quarantine := b.Bytes > 0 && w.filesAlways(b, func(r policy.FileRules) bool { return r.Out.Quarantine })
	w.must(!quarantine, "it went out past the quarantine that the plant file asks for")
}

// delivers says whether a session is Penstock's own, which brings a file to its
// machine in the name of who sent it: it has no certificate, and needs the file.
func (w *Walk) delivers(b audit.SessionStarted) bool {
	f := w.files[b.Serial]
	if f == nil {
		return false
	}
	w.must(f.state == "released" || f.state == "delivering", "%s was %s, and nobody let it through", b.Serial, f.state)
	w.must(b.Person == f.held.Person && slices.Equal(b.Windows, []string{f.held.Window}), "%s is of %s in %s", b.Serial, f.held.Person, f.held.Window)
	return true
}
