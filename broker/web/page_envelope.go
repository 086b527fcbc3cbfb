package web

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/broker/login"
	"penstock/policy"
)

// envelopeForm is the page for who holds a sealed envelope, and can sign in by
// nothing else. It works without JavaScript, mail, WAN and anybody's phone.
type envelopeForm struct{ Say, Name string }

// envelopeView is one of the two as it stands.
type envelopeView struct {
	ID, Title, For string
	Made           bool
	Age            string // since it was sealed
	By, Key        string
	Sealed, Opened stamp
	Says, Source   string
	Spent          bool   // opened, and the hours are over
	Wrong          string // it would count for nothing
	Line           string // how a new one is made
}

// envelope says whether the reader is here by a sealed envelope.
func (v *visit) envelope() bool { return evidence.IsEnvelope(string(v.actor.Person)) }

// onPaper signs an answer with the key that follows from the envelope's code.
func (v *visit) onPaper(a evidence.Answer, err error) (*evidence.Answer, error) {
	if err != nil {
		return nil, err
	}
	if v.s == nil || len(v.s.by.paper) == 0 {
		return nil, &policy.Refusal{Rule: "envelope-code", Say: "Type the envelope's code again.", Why: "no key in the session"}
	}
	text, err := a.Unsigned()
	if err != nil {
		return nil, fmt.Errorf("write what the envelope signs: %w", err)
	}
	a.Proof, err = evidence.SignSSH(v.s.by.paper, evidence.AnswerNamespace, text)
	return &a, err
}

func (g *Pages) envelopePage(v *visit) error {
	return g.show(v, http.StatusOK, "envelope", "Sealed envelope", envelopeForm{})
}

// openEnvelope signs its holder in. The alarm is out before the page answers.
func (g *Pages) openEnvelope(v *visit) error {
	if err := v.r.ParseForm(); err != nil {
		return badCall{err}
	}
	f := v.r.PostForm
	a, key, err := g.Proofs.Envelope(v.ctx(), source(v.r), login.Paper{Says: f.Get("name"), First: f.Get("first"), Second: f.Get("second")})
	if r, ok := errors.AsType[*policy.Refusal](err); ok {
		status := http.StatusForbidden
		if r.Rule == "login-wait" {
			status = http.StatusTooManyRequests
		}
		return g.show(v, status, "envelope", "Sealed envelope", envelopeForm{r.Say, f.Get("name")})
	}
	if err != nil {
		return err
	}
	if err := g.enterAs(v, a, byPaper(key, a.Key), "/", nil); err != nil {
		return err
	}
	v.s.setFlash("The envelope is open, and everybody who must know is told. It counts four hours, for emergencies.")
	return nil
}

func (g *Pages) envelopesPage(v *visit) error {
	list, err := g.envelopesOf(v)
	if err != nil {
		return err
	}
	return g.show(v, http.StatusOK, "envelopes", "Sealed envelopes", list)
}

// envelopesOf are both, made or not.
func (g *Pages) envelopesOf(v *visit) ([]envelopeView, error) {
	all, err := g.Roster.Envelopes(v.ctx())
	if err != nil {
		return nil, err
	}
	n, err := g.roll(v.ctx())
	if err != nil {
		return nil, err
	}
	views := []envelopeView{{ID: evidence.EnvelopeRoom, For: "the control room: stands for the one yes of an emergency, when nobody on shift can sign in"},
		{ID: evidence.EnvelopeSecurity, For: "OT security: the way back in, when none of them can sign in; opens only together with envelope 1"}}
	for i := range views {
		o := &views[i]
		o.Title = titled(evidence.EnvelopeTitle(o.ID))
		o.Line = "penstock envelope make " + o.ID + " --as " + string(v.actor.Person) + " --sign-with ~/.ssh/id_ed25519"
		for _, e := range all {
			if string(e.ID) == o.ID {
				v.fillEnvelope(o, e, n)
			}
		}
	}
	return views, nil
}

func (v *visit) fillEnvelope(o *envelopeView, e people.Envelope, n roll) {
	o.Made, o.By, o.Key, o.Sealed, o.Age = true, n.person(e.By), e.Key, v.at(e.Sealed), daysWords(v.now.Sub(e.Sealed))
	o.Says, o.Source, o.Opened = e.Says, e.Source, v.at(e.Opened)
	o.Spent = !e.Opened.IsZero() && !e.Counts(v.now)
	if agree := v.plant.Emergency.Agree; o.ID == evidence.EnvelopeRoom && (len(agree) == 0 || agree[0] != e.Role) {
		o.Wrong = "It was sealed for " + v.role(e.Role) + ", whose yes is not what an emergency asks for now."
	}
}

func daysWords(d time.Duration) string {
	if d < 24*time.Hour {
		return "today"
	}
	return count(int(d/(24*time.Hour)), "day", "days") + " ago"
}

func titled(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// envelopeAlarms are the board's lines: one that was opened is red until it is
// sealed anew; one that is missing, or would not count, is said quietly.
func (g *Pages) envelopeAlarms(v *visit) (red, quiet []string, err error) {
	list, err := g.envelopesOf(v)
	for _, e := range list {
		switch {
		case !e.Opened.IsZero() && e.Spent:
			red = append(red, e.Title+" was opened "+e.Opened.Text()+" by “"+e.Says+"”, and is spent: OT security seals a new one.")
		case !e.Opened.IsZero():
			red = append(red, e.Title+" was opened "+e.Opened.Text()+" by “"+e.Says+"” from "+e.Source+", and counts for four hours.")
		case !e.Made && v.plant.Emergency.There():
			quiet = append(quiet, e.Title+" was never made.")
		case e.Wrong != "":
			quiet = append(quiet, e.Title+": "+e.Wrong)
		case e.Made && v.now.Sub(e.Sealed.Time) > 365*24*time.Hour:
			quiet = append(quiet, e.Title+" was sealed "+e.Age+": seal a new one each year.")
		}
	}
	return red, quiet, err
}
