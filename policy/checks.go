package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

func (w *walk) person() no {
	p := &w.f.Person
	switch {
	case p.ID == "" || p.Firm == "":
		return refusal("unknown-person", "nobody is named here; sign in again", "person %q of firm %q", p.ID, p.Firm)
	case p.Disabled:
		return refusal("person-disabled", "your access is switched off; call your contact at the plant", "%s is disabled", p.ID)
	case !p.Until.IsZero() && !w.now.Before(p.Until):
		return refusal("firm-ended", "your firm's contract here has ended; call your contact at the plant", "firm %s ended %s", p.Firm, w.local(p.Until))
	case w.q.Stage == AtAsk && !p.Until.IsZero() && !w.q.From.IsZero() && !w.q.From.Before(p.Until):
		return refusal("firm-ended", "your firm's contract ends before that; ask for an earlier time", "firm %s ends %s, asked from %s", p.Firm, w.local(p.Until), w.local(w.q.From))
	}
	if r := w.lapsed(p); r != nil {
		return r
	}
	if w.q.Key != "" && !slices.Contains(p.Keys, w.q.Key) {
		return refusal("key-gone", "your key was replaced or taken away; bring the new one, or call your contact at the plant", "key %s of %s does not count any more", w.q.Key, p.ID)
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("person", "%s of %s", p.ID, p.Firm)
}

func (w *walk) block() no {
	for i := range w.f.Blocks {
		if b := &w.f.Blocks[i]; w.holds(b) && w.names(b) {
			until := "until somebody lifts it"
			if !b.Until.IsZero() {
				until = "until " + w.local(b.Until)
			}
			say := "blocked " + until + "; call " + w.p.Site.WhomToCall()
			switch {
			case b.All:
				say = "the plant lets nobody in " + until
			case b.Island:
				say = "zone " + string(b.Zone) + " of the plant lets nobody in " + until
			}
			return refusal("blocked", say, "block %s by %s %s: %s", b.ID, b.By, until, b.Why)
		}
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("block", "none of %d blocks is for this", len(w.f.Blocks))
}

// holds says whether the block is in force now; for a request, whether it
// leaves no time in the span.
func (w *walk) holds(b *Block) bool {
	if b.Until.IsZero() {
		return true
	}
	last := w.now
	if w.q.Stage == AtAsk && !w.q.Until.IsZero() {
		last = later(w.now, w.q.Until.Add(-time.Duration(w.q.Minutes)*time.Minute))
	}
	return last.Before(b.Until)
}

func (w *walk) names(b *Block) bool {
	return b.All && (len(b.Free) == 0 || w.asset != nil && !slices.Contains(b.Free, w.asset.Zone)) ||
		b.Person != "" && b.Person == w.f.Person.ID ||
		b.Firm != "" && b.Firm == w.f.Person.Firm ||
		b.Asset != "" && b.Asset == w.q.Asset ||
		b.Asset != "" && w.asset != nil && b.Asset == w.asset.Via.Asset ||
		b.Zone != "" && w.asset != nil && (b.Zone == w.asset.Zone || b.Zone == w.hostZone())
}

// source holds vendors to their firm's networks.
func (w *walk) source() no {
	if name := w.f.Window.Jack; name != "" {
		return w.atJack(name)
	}
	if !w.f.Person.Plant {
		if !inside(w.f.Person.Networks, w.q.Source) && !w.f.Window.byNight(w.q.Source) {
			return refusal("source-network", "your address is not in your firm's networks; connect from there, or have the plant add this one", "source %s is in none of %v of firm %s", w.q.Source, w.f.Person.Networks, w.f.Person.Firm)
		}
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("source", "%s is where this person may come from", w.q.Source)
}

func (w *walk) window() no {
	f := &w.f.Window
	if r := w.neverOnSite(); r != nil {
		return r
	}
	if r := w.windowState(f); r != nil {
		return r
	}
	if !slices.Contains(f.People, w.f.Person.ID) && w.q.Stage != AtOpen {
		return refusal("not-in-window", "you are not in this window; ask the plant to have you added", "%s is not among the people of %s", w.f.Person.ID, f.ID)
	}
	if w.q.Asset != "" && !slices.ContainsFunc(f.Targets, w.isTarget) {
		return refusal("target-not-in-window", fmt.Sprintf("this window is not for %s; ask for it", w.asked()), "%s is not among the targets of %s", w.asked(), f.ID)
	}
	if !f.Rights.Has(w.q.Rights) {
		return refusal("rights-beyond-window", fmt.Sprintf("this window allows: %s; ask for more if you need %s: ssh desk@… more %s --rights %s --minutes 30 --why TEXT", f.Rights, w.q.Rights&^f.Rights, f.ID, strings.Join((f.Rights|w.q.Rights).Words(), ",")), "asked %s, window %s has %s", w.q.Rights, f.ID, f.Rights)
	}
	if w.q.Asset != "" {
		if r := w.registersHeld(); r != nil {
			return r
		}
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("window", "%s names this person, this way in and these rights, until %s", f.ID, w.local(f.Until))
}

func (w *walk) windowState(f *WindowFacts) no {
	live := w.q.Stage != AtOpen
	fresh := w.q.Stage != AtOperation
	switch {
	case f.ID == "":
		return refusal("no-window", "you have no window here; ask for one", "no window is named")
	case !f.Agreed:
		return refusal("window-not-agreed", "this window is not agreed; wait for the plant's answers", "the answers in the log do not suffice for %s", f.ID)
	case f.Over != "":
		return w.windowOver(f)
	case live && f.Until.IsZero() || !f.Until.IsZero() && !w.now.Before(f.Until):
		return refusal("window-ended", fmt.Sprintf("your window %s has ended; ask for a new one", f.ID), "window %s ended %s", f.ID, w.local(f.Until))
	case live && (f.From.IsZero() || w.now.Before(f.From)) || !live && w.now.Before(f.From):
		return refusal("window-not-open", fmt.Sprintf("your window %s is not open yet; wait for the shift", f.ID), "window %s begins %s", f.ID, w.local(f.From))
	case live && f.Paused:
		return refusal("window-paused", fmt.Sprintf("the plant has paused your window %s; wait", f.ID), "window %s is paused", f.ID)
	case live && !f.Live:
		return refusal("window-not-open", fmt.Sprintf("your window %s is not open; wait for the shift to open it", f.ID), "window %s is not live", f.ID)
	case live && fresh && f.Ending:
		return refusal("window-ending", fmt.Sprintf("your window %s is ending; finish what is running, nothing new begins", f.ID), "window %s is ending", f.ID)
	}
	return nil
}

// windowOver says how a window came to its end, and what to do now.
func (w *walk) windowOver(f *WindowFacts) no {
	say := fmt.Sprintf("your window %s has ended; ask for a new one", f.ID)
	rule := "window-ended"
	switch f.Over {
	case "cut":
		say, rule = fmt.Sprintf("your window %s was cut by the plant; before you ask again, call %s", f.ID, w.p.Site.WhomToCall()), "window-cut"
	case "unused":
		say, rule = fmt.Sprintf("your window %s was never opened, and its time has passed; ask for a new one", f.ID), "window-unused"
	}
	return refusal(rule, say, "window %s is %s", f.ID, f.Over)
}

// isTarget also lets sftp through on a window for the ssh port: it is the same
// login, and the conduits decide whether files pass. A window for sftp alone
// is for nothing else.
func (w *walk) isTarget(t Target) bool {
	same := string(t.Port) == w.protocol || w.protocol == "sftp" && t.Port == "ssh"
	return same && t.Asset == w.q.Asset && t.Account == w.q.Account
}

func (w *walk) asked() string {
	s := fmt.Sprintf("%s by %s", w.q.Asset, w.q.Port)
	if w.q.Account != "" {
		s += " as " + string(w.q.Account)
	}
	return s
}
