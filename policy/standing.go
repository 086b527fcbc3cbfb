package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"penstock/policy/source"
)

// A standing agreement lets a machine of a vendor in, day and night: a condition
// monitor that looks, a script that fetches a file. Its frame stands in the plant
// file (machine: true, open: standing). It is a window like any other, opened by
// its agreement, with the same blocks, conduits, gates, calendars and recording;
// what follows is what it is held to besides.

// longestConfirm is how long a standing agreement goes on unconfirmed, at most.
const longestConfirm = 90 * 24 * time.Hour

// MachineRights are all that a machine ever has.
const MachineRights = Look | Copy

// Standing is what a machine's window is held to besides. The zero value is of a
// window for people.
type Standing struct {
	Frame    string         // its pattern in the plant file; empty: the window is for people
	Key      string         // fingerprint of the one key
	Networks []netip.Prefix // whence alone, inside the firm's own
}

// stands says whether the frame is for standing agreements.
func (f Pattern) stands() bool { return f.Machine && f.Open == "standing" }

// StandingFrames are the patterns that a standing agreement can be made in.
func (p *Plant) StandingFrames() (frames []Pattern) {
	for _, f := range p.Patterns {
		if f.stands() {
			frames = append(frames, f)
		}
	}
	return frames
}

// StandingQuorum is who must agree to a standing agreement in a frame, until a
// moment: everybody who must agree to a pattern in it, each by a key of their own.
// It opens by itself; the frame's owners are who confirm it, each time for the
// frame's Confirm at most, and who let it go on. The error is a *Refusal.
func (p *Plant) StandingQuorum(frame string, assets []AssetName, rights Rights, until time.Time) (Quorum, error) {
	f, there := p.Pattern(frame)
	if !there || !f.stands() {
		return Quorum{}, &Refusal{Rule: "standing-frame", Say: fmt.Sprintf("The plant file has no pattern %.40q for machines. One is written with machine: true, open: standing.", frame)}
	}
	for _, a := range assets {
		if r := f.outside(a, rights); r != nil {
			return Quorum{}, r
		}
	}
	if end := p.Ends(f); until.After(end) {
		return Quorum{}, &Refusal{Rule: "standing-frame", Say: fmt.Sprintf("%s is looked at again on %s, and nothing stands beyond that. Ask until then.", frame, f.Review.Format("2 Jan 2006"))}
	}
	q, err := p.PatternQuorum(f, assets, rights)
	if err != nil {
		return q, err
	}
	if q.Escort {
		return q, &Refusal{Rule: "standing-escort", Say: "The plant's rules ask for an escort there, and nobody watches a machine day and night. Ask for a person's window instead."}
	}
	q.Open, q.Proof, q.Spoken, q.Grace, q.Longest = "auto", ByKey, false, 0, f.Confirm
	q.Openers = slices.Clone(f.Owners)
	slices.Sort(q.Openers)
	return q, nil
}

func (f Pattern) outside(a AssetName, rights Rights) no {
	switch {
	case !slices.Contains(f.Assets, a):
		return refusal("standing-frame", fmt.Sprintf("%s is not for %s; ask the plant's OT security", f.Name, a), "pattern %s is not for %s", f.Name, a)
	case !(f.Rights & MachineRights).Has(rights):
		return refusal("standing-rights", fmt.Sprintf("a machine looks or takes copies, here: %s; what changes something is a person's work", f.Rights&MachineRights), "asked %s, pattern %s has %s", rights, f.Name, f.Rights)
	}
	return nil
}

// frame is the standing agreement that is asked about; empty: it is for people.
func (w *walk) frame() string {
	if w.q.Stage == AtAsk {
		return w.q.Frame
	}
	return w.f.Window.Standing.Frame
}

// machine keeps machines to standing agreements and people out of them, and holds
// a machine to its frame, its key, its networks, and to files and forwards.
func (w *walk) machine() no {
	name := w.frame()
	switch {
	case name == "" && w.f.Person.Machine:
		return refusal("machine", "a machine comes in by a standing agreement and by nothing else; its keeper asks for one", "%s is a machine, and the window is for people", w.f.Person.ID)
	case name != "" && !w.f.Person.Machine:
		return refusal("standing", "a standing agreement is for a machine, and no person comes in by it; ask for access", "%s is no machine, and the window stands in frame %s", w.f.Person.ID, name)
	case name == "":
		return nil
	}
	f, there := w.p.Pattern(name)
	if !there || !f.stands() {
		return refusal("standing-frame", "the plant does not have this standing agreement's frame any more; ask its OT security", "the plant file has no pattern %s for machines", name)
	}
	end := w.p.Ends(f)
	if !w.now.Before(end) {
		return refusal("standing-frame", "the frame of this standing agreement was not looked at again in time; ask the plant's OT security", "pattern %s ended %s", name, w.local(end))
	}
	w.until(end)
	if r := w.machineAt(f); r != nil {
		return r
	}
	if w.asset != nil {
		if r := f.outside(w.asset.Name, w.q.Rights); r != nil {
			return r
		}
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("machine", "stands in frame %s, by its own key and from its own network", name)
}

// machineAt is asked of a connection and its channels.
func (w *walk) machineAt(f Pattern) no {
	if w.q.Stage == AtAsk || w.q.Stage == AtOpen {
		return nil
	}
	s := &w.f.Window.Standing
	switch {
	case s.Key == "" || (w.q.Stage == AtAdmit || w.q.Key != "") && w.q.Key != s.Key:
		return refusal("standing-key", "this standing agreement is for another key; with a new key it is agreed anew", "key %q, and %s stands for %s", w.q.Key, w.f.Window.ID, s.Key)
	case !inside(s.Networks, w.q.Source):
		return refusal("standing-network", "this standing agreement is for another network; the machine has moved, or something else has its key", "source %s is in none of %v of %s", w.q.Source, s.Networks, w.f.Window.ID)
	case w.q.Stage == AtChannel && w.port != nil && w.port.Login() && w.protocol != "sftp":
		return refusal("standing-shell", "a machine moves files by sftp, or has a forward; there is no shell and no command for it", "%q by %s in %s", w.q.Kind, w.protocol, w.f.Window.ID)
	}
	return nil
}

// confirmed stands for the rules' longest where a machine is asked about.
func (w *walk) confirmed() no {
	f, _ := w.p.Pattern(w.frame()) // it is there: machine was asked before
	q := &w.q
	length := time.Duration(q.Minutes) * time.Minute
	switch {
	case q.Stage != AtAsk:
	case q.Minutes < 1 || q.From.IsZero() || !q.From.Before(q.Until):
		return refusal("span-empty", "say until when it shall stand", "%d minutes from %s to %s", q.Minutes, w.local(q.From), w.local(q.Until))
	case length > f.Confirm:
		return refusal("too-long", fmt.Sprintf("it is confirmed every %s; ask for no more at a time", source.Words(f.Confirm)), "asked %s, pattern %s has %s", length, f.Name, f.Confirm)
	case q.Until.After(w.p.Ends(f)):
		return refusal("standing-frame", "its frame ends before that; ask for an earlier end", "asked until %s, pattern %s ends %s", w.local(q.Until), f.Name, w.local(w.p.Ends(f)))
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("length", "until it is to be confirmed, every %s", source.Words(f.Confirm))
}
