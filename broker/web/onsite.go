package web

import (
	"cmp"
	"slices"
	"time"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/policy"
)

// siteTick says what work on site means.
func siteTick(on bool) tick {
	return tick{evidence.OnSite, "Agreed, opened and ended like any other, on the board, and handed back. It is not recorded, and nobody stops what the laptop does.", on}
}

// exceptTick says what an exception means.
func (v *visit) exceptTick(on bool) *tick {
	e := v.plant.Exception
	return &tick{evidence.Exception, "Outside a calendar, or for longer than the rules allow: at most " + minutesWords(int(e.Longest/time.Minute)) + ", and over within " + minutesWords(int(e.Ends/time.Minute)) + ". Both owners of the way and OT security agree, each by a key; nothing else is waived.", on}
}

// probeTick says what trying the way means.
func probeTick(on bool) tick {
	return tick{evidence.Connectivity, "Before the job: it is reached, the host key compared, logged in to, and closed. Nothing passes, by any account; half an hour at most, and the shift alone agrees.", on}
}

// jackWords are a laptop and the service jack that it works through; empty: it does not.
func (v *visit) jackWords(laptop, jack string) string {
	if jack == "" {
		return ""
	}
	j, _ := v.plant.Jack(jack)
	return laptop + " at " + cmp.Or(j.Title, jack)
}

// laptopAt is a laptop at the machine itself, beside Penstock; empty: there is none.
func laptopAt(c evidence.WindowClaim) string {
	if c.OnSite() {
		return c.Laptop
	}
	return ""
}

// atMachine is the same of a request.
func atMachine(d evidence.Request) string {
	if d.AtMachine() {
		return d.Laptop
	}
	return ""
}

// machines are the assets of what was ticked: on site no way in counts.
func machines(ways []policy.Target) (all []policy.Target) {
	for _, t := range ways {
		if one := (policy.Target{Asset: t.Asset}); !slices.Contains(all, one) {
			all = append(all, one)
		}
	}
	return all
}

// kindOf is the one kind that was ticked; none is remote.
func kindOf(ticked []string) (string, error) {
	switch len(ticked) {
	case 0:
		return "", nil
	case 1:
		return ticked[0], nil
	}
	return "", &policy.Refusal{Rule: "on-site", Say: "A laptop on site, trying the way, an exception and an emergency are different things. Tick one of them."}
}

// stillThere are laptops on site whose person, firm, machine or zone is blocked:
// that stops connections, and somebody has to go there.
func (v *visit) stillThere(all []approvals.Window, blocks []policy.Block) (ids []policy.WindowID) {
	for _, w := range all {
		if runs(w) && w.Claim.OnSite() && slices.ContainsFunc(blocks, func(b policy.Block) bool { return v.names(b, w) }) {
			ids = append(ids, w.ID)
		}
	}
	return ids
}

// names says whether a block that is in force is for a window.
func (v *visit) names(b policy.Block, w approvals.Window) bool {
	if !b.Until.IsZero() && !v.now.Before(b.Until) {
		return false
	}
	if b.Firm != "" && b.Firm == w.Firm || b.Person != "" && slices.Contains(w.Claim.People, string(b.Person)) {
		return true
	}
	return slices.ContainsFunc(w.Claim.Assets, func(t evidence.Target) bool {
		a, _ := v.plant.Asset(policy.AssetName(t.Asset))
		return b.All && !slices.Contains(b.Free, a.Zone) || b.Asset != "" && b.Asset == policy.AssetName(t.Asset) || b.Zone != "" && b.Zone == a.Zone
	})
}

// onSite are the laptops that are at machines now.
func (g *Pages) onSite(v *visit) (all []WindowLine, err error) {
	n, err := g.roll(v.ctx())
	if err != nil {
		return nil, err
	}
	windows, err := g.Desk.Windows(v.ctx(), v.actor)
	for _, w := range windows {
		if runs(w) && w.Claim.OnSite() {
			all = append(all, g.windowLine(v, w, n))
		}
	}
	return all, err
}
