package policy

import (
	"fmt"
	"slices"
	"time"

	"penstock/policy/source"
)

// maxTrainings bounds what one rule asks of a person.
const maxTrainings = 8

// trainings are names such as site-safety: the plant's own words, which the
// roster says of people with a day until which they are good.
func (f *file) trainings(v source.Value) (all []string) {
	if !v.Here() {
		return nil
	}
	for _, at := range f.alone(v) {
		name := at.Text()
		switch {
		case !ValidID(name):
			at.Refuse(fmt.Sprintf("%.40q is no name of a training", name), "small letters, digits and hyphens, such as site-safety")
		case slices.Contains(all, name):
			at.Refuse(fmt.Sprintf("%s is here twice", name), "")
		case len(all) == maxTrainings:
			at.Refuse(fmt.Sprintf("more than %d trainings", maxTrainings), "give what belongs together one name")
		default:
			all = append(all, name)
		}
	}
	return all
}

// Trainings are the names that the rules ask for, sorted.
func (p *Plant) Trainings() (all []string) {
	for i := range p.Rules {
		all = append(all, p.Rules[i].Training...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// allTraining is of somebody who lacks none: for questions about the file alone.
func (p *Plant) allTraining(now time.Time) (all []Training) {
	for _, name := range p.Trainings() {
		all = append(all, Training{name, now.AddDate(1, 0, 0)})
	}
	return all
}

// lapsed is what of a person must not have run out: the acceptance of the
// firm's terms (a machine reads none), and the confirmation of an access review.
func (w *walk) lapsed(p *PersonFacts) no {
	switch {
	case p.Plant:
	case !p.Machine && p.Terms && p.Accepted.IsZero():
		return refusal("terms", "read the plant's terms and accept them first: ssh desk@… terms", "%s has not accepted the terms of firm %s", p.ID, p.Firm)
	case !p.Machine && p.Terms && !w.now.Before(p.Accepted):
		return refusal("terms", "your acceptance of the plant's terms has run out; read and accept them again: ssh desk@… terms", "%s accepted the terms of firm %s until %s", p.ID, p.Firm, w.local(p.Accepted))
	case !p.Machine && p.Terms && w.q.Stage == AtAsk && !w.q.From.IsZero() && !w.q.From.Before(p.Accepted):
		return refusal("terms", "your acceptance of the plant's terms runs out before that; accept them again: ssh desk@… terms", "%s accepted the terms until %s, asked from %s", p.ID, w.local(p.Accepted), w.local(w.q.From))
	case !p.Confirm.IsZero() && !w.now.Before(p.Confirm):
		return refusal("access-review", "nobody at the plant has confirmed in time that you still work here; your firm's sponsor or OT security can", "the access review of %s was due %s", p.ID, w.local(p.Confirm))
	}
	return nil
}

// Lapsed is why a person may not work anywhere now, by contract, terms or
// confirmation; nil: by these they may.
func (p *Plant) Lapsed(f PersonFacts, now time.Time) *Refusal {
	return (&walk{p: p, f: &Facts{Person: f}, q: Query{Stage: AtOpen}, now: now}).person()
}

// training holds people to what the rules ask them to have learned. Where a
// whole window is asked for at the door, one way into it that the person is
// trained for is enough: each channel asks again.
func (w *walk) training() no {
	if w.asset != nil {
		if r := w.trainedFor(w.asset, PortName(w.protocol), w.effect()); r != nil {
			return r
		}
	} else if r := w.trainedForOne(); r != nil {
		return r
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("training", "has what the rules ask for")
}

func (w *walk) trainedForOne() no {
	var first no
	for _, t := range w.f.Window.Targets {
		a := w.p.assets[t.Asset]
		if a == nil {
			continue // gone from the plant file: the channel is refused by that
		}
		r := w.trainedFor(a, t.Port, w.f.Window.Rights)
		if r == nil {
			return nil
		}
		if first == nil {
			first = r
		}
	}
	return first
}

func (w *walk) trainedFor(a *Asset, port PortName, rights Rights) no {
	if w.f.Person.Plant || w.f.Person.Machine {
		return nil
	}
	for _, r := range a.rules {
		if len(r.Training) == 0 || !r.matches(a, port, rights) {
			continue
		}
		for _, name := range r.Training {
			if no := w.trained(name, r); no != nil {
				return no
			}
		}
	}
	return nil
}

func (w *walk) trained(name string, r *Rule) no {
	p := &w.f.Person
	i := slices.IndexFunc(p.Training, func(t Training) bool { return t.Name == name })
	at := w.now
	if w.q.Stage == AtAsk {
		at = later(at, w.q.From)
	}
	switch {
	case i < 0:
		return refusal("training", fmt.Sprintf("this asks for the training %s, which you have not; your firm's sponsor at the plant arranges it and writes it down", name), "rule %s asks training %s, and %s has none", r.Name, name, p.ID)
	case !at.Before(p.Training[i].Until):
		return refusal("training", fmt.Sprintf("your training %s runs out %s; your firm's sponsor at the plant arranges it anew", name, p.Training[i].Until.In(w.p.location).Format("2 Jan 2006")), "rule %s asks training %s, and that of %s ends %s", r.Name, name, p.ID, w.local(p.Training[i].Until))
	}
	w.until(p.Training[i].Until)
	return nil
}

// Fit says whether a person may work on a target at all now: that they are here,
// with a contract, terms, confirmation and training as the rules ask. Of windows,
// calendars and conduits it says nothing. nil: they may. The error is a *Refusal.
func (p *Plant) Fit(f PersonFacts, t Target, rights Rights, now time.Time) error {
	w := &walk{p: p, f: &Facts{Person: f, Window: WindowFacts{Rights: rights, OnSite: t.Port == ""}}, q: Query{Stage: AtOpen, Asset: t.Asset, Port: t.Port, Account: t.Account, Rights: rights}, now: now}
	for _, ask := range []func(*walk) no{(*walk).person, (*walk).findAsset, (*walk).findWay, (*walk).training} {
		if r := ask(w); r != nil {
			return r
		}
	}
	return nil
}
