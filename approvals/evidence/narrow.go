package evidence

import (
	"fmt"
	"slices"
	"time"

	"penstock/audit"
	"penstock/policy"
)

// Narrow is the widest claim that the request and these answers allow: the
// intersection of the request and the limits of every yes to it. The Desk makes
// the window of it (and gives it its id), and Check recomputes it. Where
// nothing is left, the error names who stands against whom.
func Narrow(r Request, answers []Answer) (WindowClaim, error) {
	b, err := audit.Canonical(r)
	if err != nil {
		return WindowClaim{}, fmt.Errorf("request: %w", err)
	}
	w := WindowClaim{V: 1, Request: audit.HashOf(b), People: slices.Clone(r.People), Assets: slices.Clone(r.Assets),
		Rights: slices.Clone(r.Rights), Minutes: r.Minutes, From: r.From, To: r.To, Open: r.Open, Escort: r.Escort, Network: r.Red.Network, Laptop: r.Laptop, Jack: r.Jack, Machine: r.Machine, Probe: r.Kind == Connectivity, Exception: r.Kind == Exception}
	have, err := policy.ParseRights(r.Rights)
	if err != nil {
		return WindowClaim{}, fmt.Errorf("request: rights: %w", err)
	}
	if w.Exception {
		w.Waives = slices.Clone(r.Waives)
	}
	var said []Answer
	for _, a := range answers {
		if a.Says != Yes || a.Request != w.Request {
			continue
		}
		if err := w.limit(&have, a, said); err != nil {
			return WindowClaim{}, err
		}
		said = append(said, a)
	}
	w.Rights = have.Words()
	w.Registers = slices.DeleteFunc(slices.Clone(r.Registers), func(o Registers) bool {
		return !slices.ContainsFunc(w.Assets, func(t Target) bool { return t.Asset == o.Asset && t.Port == o.Port })
	})
	if len(w.Registers) == 0 {
		w.Registers = nil
	}
	if len(r.Starts) > 0 {
		starts, err := policy.ParseRights(r.Starts)
		if err != nil {
			return WindowClaim{}, fmt.Errorf("request: starts: %w", err)
		}
		w.Starts = (starts & have).Words()
	}
	return w, nil
}

// limit cuts w to one more answer; said are the answers it was cut to before.
func (w *WindowClaim) limit(have *policy.Rights, a Answer, said []Answer) error {
	l := a.Limits
	if len(l.Rights) > 0 {
		r, err := policy.ParseRights(l.Rights) // look is in every set, so something is always left
		if err != nil {
			return fmt.Errorf("the limits of %s: %w", a.Person, err)
		}
		*have &= r
	}
	if len(l.Assets) > 0 {
		w.Assets = slices.DeleteFunc(w.Assets, func(t Target) bool { return !slices.Contains(l.Assets, t) })
		if len(w.Assets) == 0 {
			return fmt.Errorf("the limits of %s leave no asset that %s", a.Person, against(said, func(o Answer) bool {
				return len(o.Limits.Assets) > 0 && !slices.ContainsFunc(o.Limits.Assets, func(t Target) bool { return slices.Contains(l.Assets, t) })
			}, func(o Answer) bool { return len(o.Limits.Assets) > 0 }, "the request names"))
		}
	}
	if !l.Until.IsZero() && l.Until.Before(w.To) {
		w.To = l.Until
	}
	if l.Minutes > 0 {
		w.Minutes = min(w.Minutes, l.Minutes)
	}
	w.Minutes = min(w.Minutes, int(w.To.Sub(w.From)/time.Minute))
	if w.Minutes < 1 {
		return fmt.Errorf("%s allows it until %s, and the request begins at %s: no minute is left",
			a.Person, w.To.Format(time.RFC3339), w.From.Format(time.RFC3339))
	}
	return nil
}

// against says who else's limit leaves nothing: one answer that conflicts
// alone, else all that have such a limit, else the request.
func against(said []Answer, alone, some func(Answer) bool, request string) string {
	if i := slices.IndexFunc(said, alone); i >= 0 {
		return "the limits of " + said[i].Person + " leave"
	}
	names := ""
	for _, a := range said {
		if some(a) {
			if names != "" {
				names += " and "
			}
			names += a.Person
		}
	}
	if names != "" {
		return "the limits of " + names + " together leave"
	}
	return request
}
