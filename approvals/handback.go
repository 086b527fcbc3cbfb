package approvals

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// mostHandBacks bounds how often one window is handed back: each is a document
// and a leaf that a vendor can cause without anybody's yes.
const mostHandBacks = 10

// HandBack is what the vendor says was changed, after the window has ended or
// was cut. It may be given anew until the plant accepts it, ten times in all.
func (d *Desk) HandBack(ctx context.Context, by people.Actor, id policy.WindowID, words string) (Window, error) {
	if words == "" {
		return Window{}, refuse("bad-text", "Say what was changed, or that nothing was.")
	}
	if err := text("hand-back", words, evidence.MaxReason); err != nil {
		return Window{}, err
	}
	return d.after(ctx, by, id, d.present, func(w windowRow) (audit.Body, error) {
		if string(by.Firm) != w.Firm {
			return nil, refuse("not-vendor", "The people who worked in %s hand it back.", id)
		}
		if w.State != WindowEnded && w.State != WindowCut {
			return nil, illegal(w.Window, string(w.State), "handed back; end it first")
		}
		if w.HandBacks >= mostHandBacks {
			return nil, refuse("too-many-handbacks", "%s was handed back %d times. Call the control room to have it accepted.", id, w.HandBacks)
		}
		hash, err := d.docs.Put(ctx, []byte(words))
		if err != nil {
			return nil, fmt.Errorf("keep the hand-back: %w", err)
		}
		return audit.HandbackGiven{Window: w.Window, By: string(by.Person), Text: hash}, nil
	})
}

// Accept closes a window, by somebody of the plant with an opener's or a zone
// owner's role. A window that ended waits for its hand-back; one that was cut, a
// machine's and a connectivity test may be closed without.
func (d *Desk) Accept(ctx context.Context, by people.Actor, id policy.WindowID) (Window, error) {
	if err := d.mayTake(by); err != nil {
		return Window{}, err
	}
	return d.after(ctx, by, id, d.activePlant, func(w windowRow) (audit.Body, error) {
		claim, err := d.claim(ctx, w)
		if err != nil {
			return nil, err
		}
		if slices.Contains(claim.People, string(by.Person)) || string(by.Firm) == w.Firm {
			return nil, refuse("own-request", "Whoever worked in %s does not accept it.", id)
		}
		if w.State == WindowEnded && w.HandBack.IsZero() && claim.HandsBack() {
			return nil, refuse("no-handback", "The hand-back of %s is missing. Ask %s for it.", id, w.Firm)
		}
		if here := w.leftHere(); len(here) > 0 {
			return nil, refuse("left-behind", "%s is not closed while something is left behind in it. Once it is gone, say so on the page of %s, or: penstock left gone %s %d --as …", id, id, id, here[0])
		}
		return audit.HandbackAccepted{Window: w.Window, By: string(by.Person)}, nil
	})
}

// AcceptOutside closes a window and says in one that it was used outside its
// pattern's purpose: what it was used for. Empty: it was not, as with Accept. The
// doubt comes first, because it takes: the second one stops the pattern.
func (d *Desk) AcceptOutside(ctx context.Context, by people.Actor, id policy.WindowID, why string) (Window, error) {
	if why != "" {
		if err := d.mayTake(by); err != nil {
			return Window{}, err
		}
		if err := d.doubtOnce(ctx, by, id, why); err != nil {
			return Window{}, err
		}
	}
	return d.Accept(ctx, by, id)
}

// doubtOnce is DoubtPattern where somebody may have said so already.
func (d *Desk) doubtOnce(ctx context.Context, by people.Actor, id policy.WindowID, why string) error {
	_, err := d.DoubtPattern(ctx, by, id, why)
	if no, ok := errors.AsType[*policy.Refusal](err); ok && no.Rule == "doubted-already" {
		return nil
	}
	return err
}

// Outside says of the windows that a recording was made in which of them were
// used outside their pattern's purpose, by whoever reviews it. It judges all of
// them before it writes one.
func (d *Desk) Outside(ctx context.Context, by people.Actor, windows []policy.WindowID, why string) error {
	for _, id := range windows {
		w, err := d.Window(ctx, by, id)
		if err != nil {
			return err
		}
		if w.Pattern == "" {
			return refuse("no-pattern", "%s was not used under a pattern.", id)
		}
	}
	for _, id := range windows {
		if err := d.doubtOnce(ctx, by, id, why); err != nil {
			return err
		}
	}
	return nil
}

// after makes one event of a window that is over, by somebody who is here now.
func (d *Desk) after(ctx context.Context, by people.Actor, id policy.WindowID,
	present func(context.Context, people.Actor) (people.Person, error), event func(windowRow) (audit.Body, error)) (Window, error) {
	_, err := again(func() (none, error) {
		p, err := present(ctx, by)
		if err != nil {
			return none{}, err
		}
		w, err := d.windowRow(ctx, id)
		if err != nil {
			return none{}, err
		}
		if err := seen(by, w.Firm, "window", string(id)); err != nil {
			return none{}, err
		}
		body, err := event(w)
		if err != nil {
			return none{}, err
		}
		_, err = d.commit(ctx, windowKey(id), w.row+1, string(by.Person), body, p)
		return none{}, err
	})
	if err != nil {
		return Window{}, err
	}
	return d.windowView(ctx, id)
}
