package people

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// Bounds of terms and trainings.
const (
	maxTerms     = 32 << 10 // bytes of a text
	maxTermsDays = 3660
	maxTraining  = 32 // of one person
	longTraining = 10 * 366 * 24 * time.Hour
)

// SetTerms gives the text that each of a firm's people has to accept before they
// may work, and for how many days an acceptance is good; an empty text asks for
// none. Another text than before is to be accepted anew by everybody. By OT
// security, with a code.
func (r *Roster) SetTerms(ctx context.Context, by Actor, id policy.FirmID, text string, days int) error {
	p, err := r.giving(ctx, by)
	if err != nil {
		return err
	}
	if !r.isSecurity(p) {
		return notYours(by.Person, id, "write the terms of")
	}
	f, rev, err := r.firm(ctx, id)
	if errors.Is(err, fs.ErrNotExist) || err == nil && f.Plant {
		return refuse("no-such-firm", "There is no such firm that could accept terms. Look at the list of people.", "firm %.40q", id)
	}
	if err != nil {
		return err
	}
	body := f.changed(by.Person)
	body.Terms, body.TermsDays = audit.Hash{}, 0
	if text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n")); text != "" {
		if err := checkTerms(text, days); err != nil {
			return refuse("bad-terms", "The terms cannot be kept so: "+err.Error()+".", "%v", err)
		}
		if body.Terms, err = r.docs.Put(ctx, []byte(text+"\n")); err != nil {
			return fmt.Errorf("keep the terms of %s: %w", id, err)
		}
		body.TermsDays = days
	}
	return r.commit(ctx, firmRow+string(id), rev+1, by.Person, body, p)
}

// changed is the event that writes the firm as it is.
func (f Firm) changed(by policy.PersonID) audit.FirmChanged {
	b := audit.FirmChanged{Firm: string(f.ID), Name: f.Name, Plant: f.Plant, Sponsor: string(f.Sponsor), Until: f.Until, By: string(by), Terms: f.Terms, TermsDays: f.TermsDays, Source: f.Source}
	for _, n := range f.Networks {
		b.Networks = append(b.Networks, n.String())
	}
	return b
}

func checkTerms(text string, days int) error {
	if days < 1 || days > maxTermsDays {
		return fmt.Errorf("an acceptance is good for 1 to %d days", maxTermsDays)
	}
	if len(text) > maxTerms || !utf8.ValidString(text) {
		return fmt.Errorf("a text is UTF-8 and has at most %d bytes", maxTerms)
	}
	for i, c := range text {
		if c != '\n' && c != '\t' && !unicode.IsPrint(c) {
			return fmt.Errorf("the text holds U+%04X at byte %d, which cannot be shown", c, i)
		}
	}
	return nil
}

// Terms are the text that a firm's people accept; empty: none. fs.ErrNotExist if
// there is no such firm.
func (r *Roster) Terms(ctx context.Context, id policy.FirmID) (text string, hash audit.Hash, err error) {
	f, err := r.Firm(ctx, id)
	if err != nil || f.Terms.IsZero() {
		return "", audit.Hash{}, err
	}
	b, err := r.docs.Get(ctx, f.Terms)
	if err != nil {
		return "", audit.Hash{}, fmt.Errorf("read the terms of %s: %w", id, err)
	}
	return string(b), f.Terms, nil
}

// AcceptTerms is the actor's own word that they have read and accept their firm's
// terms: exactly the text of this hash. It gives when that runs out.
func (r *Roster) AcceptTerms(ctx context.Context, by Actor, terms audit.Hash) (until time.Time, err error) {
	err = again(func() error {
		p, f, err := r.present(ctx, by.Person)
		if err != nil {
			return err
		}
		if f.Terms.IsZero() || f.Plant {
			return refuse("no-terms", "Your firm has no terms to accept: there is nothing to do.", "firm %s has no terms", f.ID)
		}
		if terms != f.Terms {
			return refuse("other-terms", "The terms have changed. Read them again, then accept these.", "%s accepts %s, the firm's are %s", p.ID, terms, f.Terms)
		}
		now := cleanTime(r.Now())
		until = now.Add(time.Duration(f.TermsDays) * 24 * time.Hour)
		return r.commit(ctx, personRow+string(p.ID), p.Rev+1, p.ID, audit.TermsAccepted{Person: string(p.ID), Firm: string(f.ID), Terms: terms, At: now, Until: until})
	})
	return until, err
}

// NoteTraining says that somebody has a training, good until a time; zero: no
// longer. By whoever may invite them, with a code, and never by the person.
func (r *Roster) NoteTraining(ctx context.Context, by Actor, who policy.PersonID, name string, until time.Time) error {
	p, err := r.giving(ctx, by)
	if err != nil {
		return err
	}
	have, firm, err := r.present(ctx, who)
	if err != nil {
		return err
	}
	if by.Person == who || !r.mayInvite(p, firm) {
		return notYours(by.Person, who, "write the training of")
	}
	if until = cleanTime(until); !policy.ValidID(name) || !until.IsZero() && (!until.After(r.Now()) || until.Sub(r.Now()) > longTraining) {
		return refuse("bad-training", "A training has a short name such as site-safety, and the last day on which it is good, after now.", "%.40q until %s", name, until)
	}
	if len(have.Training) >= maxTraining {
		return refuse("training-full", fmt.Sprintf("This person has %d trainings already. Take one away first.", maxTraining), "%s has %d trainings", who, len(have.Training))
	}
	return r.commit(ctx, personRow+string(who), have.Rev+1, by.Person, audit.TrainingNoted{Person: string(who), Training: name, Until: until, By: string(by.Person)}, p)
}

func (p *Person) train(b audit.TrainingNoted) error {
	before := len(p.Training)
	p.Training = slices.DeleteFunc(p.Training, func(t policy.Training) bool { return t.Name == b.Training })
	if b.Until.IsZero() {
		if len(p.Training) == before {
			return refuse("no-such-training", "This person has no such training.", "no training %.40q of %s", b.Training, b.Person)
		}
		return nil
	}
	p.Training = append(p.Training, policy.Training{Name: b.Training, Until: b.Until})
	slices.SortFunc(p.Training, func(a, b policy.Training) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

// accepted takes an acceptance of the terms that the firm's record names.
func (f folding) accepted(ctx context.Context, b audit.TermsAccepted) ([]state.Change, error) {
	var firm Firm
	_, ok, err := read(ctx, f.rows, firmRow+b.Firm, &firm)
	if err != nil {
		return nil, err
	}
	return f.person(ctx, b.Person, func(p *Person) error {
		if !ok || firm.Terms != b.Terms || string(p.Firm) != b.Firm || b.Terms.IsZero() {
			return refuse("other-terms", "The terms have changed. Read them again, then accept these.", "%s accepts %s of firm %s", b.Person, b.Terms, b.Firm)
		}
		p.Accepted = Acceptance{b.Terms, b.Until}
		return nil
	})
}
