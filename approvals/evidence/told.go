package evidence

import (
	"slices"
	"strconv"
	"strings"

	"penstock/audit"
	"penstock/policy"
)

// Tell writes into a request what the plant file says of it: how urgent it is,
// what they can do, what it can come to and who stops it. These are lines of the
// text that people answer, and nobody types them.
func Tell(plant *policy.Plant, r *Request) {
	targets, assets := r.ways()
	rights, err := policy.ParseRights(r.Rights)
	if err != nil {
		rights = ^policy.Rights(0) // what cannot be read is told as everything; parsing refuses it anyway
	}
	told := plant.Told(targets, rights, OnlyOf(r.Registers)...)
	r.Can, r.Worst, r.Stopper, r.Weak, r.Files = told.Can, told.Worst, told.Stopper, told.Weak, told.Files
	if r.Kind == Connectivity {
		r.tellProbe()
	}
	r.Priority = plant.Priority(assets, r.Happening).String()
	r.Starts, r.Waives = nil, nil
	if r.Kind == Exception {
		r.Waives = excepted(plant, *r, assets, rights)
	}
	if r.Kind == Emergency {
		r.Starts = plant.Emergency.Starts(rights).Words()
		r.Waives = plant.Waived(assets, rights, r.From, r.To)
	}
}

// CheckTold is empty if the computed lines of a request are what the plant file
// that it names says; each finding is one sentence.
func CheckTold(plant *policy.Plant, r Request) (findings []string) {
	is := r
	Tell(plant, &is)
	for _, line := range []struct{ what, has, is string }{
		{"priority", r.Priority, is.Priority}, {"what they can do", r.Can, is.Can},
		{"the worst case", r.Worst, is.Worst}, {"who stops it", r.Stopper, is.Stopper},
		{"what it begins with", strings.Join(r.Starts, ", "), strings.Join(is.Starts, ", ")}, {"which calendars are waived", strings.Join(r.Waives, ", "), strings.Join(is.Waives, ", ")},
		{"old SSH", r.Weak, is.Weak}, {"which files pass", r.Files, is.Files},
	} {
		if line.has != line.is {
			findings = append(findings, "the request tells "+line.what+" as "+quoted(line.has)+", and the plant file says "+quoted(line.is))
		}
	}
	targets, _ := r.ways()
	if err := plant.Holds(OnlyOf(r.Registers), targets); err != nil {
		findings = append(findings, "the request names registers that the plant file does not hold: "+err.Error())
	}
	return findings
}

// quoted keeps an altered line from making a finding of any length.
func quoted(s string) string {
	const most = 240
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strconv.Quote(s)
}

// priorityChanged: by somebody of the plant who holds the team's role, of the
// newest revision. It moves nothing, and the text's own priority stays.
func (w *Walk) priorityChanged(b audit.PriorityChanged) {
	r := w.request(b.Request)
	if r == nil {
		return
	}
	w.must(w.leaf.Actor == b.By && w.plantPerson(b.By), "given by %s, who is nobody of the plant", short(b.By))
	w.mayTake(b.By, false)
	if p := w.people[b.By]; p != nil {
		w.must(slices.Contains(p.roles, b.Team), "%s gave it for %s, and is not of it", short(b.By), short(b.Team))
	}
	_, err := policy.ParsePriority(b.To)
	w.must(err == nil, "%v", err)
	w.must(r.awaits() && b.Rev == r.rev, "revision %d did not wait", b.Rev)
}

// Policy is the way in as the plant file knows it.
func (t Target) Policy() policy.Target {
	return policy.Target{Asset: policy.AssetName(t.Asset), Port: policy.PortName(t.Port), Account: policy.AccountName(t.Account)}
}

func (r Request) ways() (targets []policy.Target, assets []policy.AssetName) {
	for _, t := range r.Assets {
		targets = append(targets, t.Policy())
		assets = append(assets, policy.AssetName(t.Asset))
	}
	return targets, assets
}
