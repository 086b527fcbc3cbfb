package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"penstock/policy/source"
)

// Exception is the frame of work that calendars, or the rules' longest, would
// refuse: with a reason, agreed by both owners of every conduit on the way, the
// owner of the machine's zone and OT security, each by a key. It waives these two
// and nothing else: blocks, conduits, zones that say never, accounts, gates,
// register limits and recording hold. The zero value allows none.
type Exception struct {
	Longest time.Duration // of one window
	Ends    time.Duration // from its asking to its span's end
}

// There says whether the plant file has exceptions at all.
func (e Exception) There() bool { return e.Longest > 0 }

func (f *file) exception(v source.Value) {
	if !v.Here() {
		return
	}
	s := v.Fields("longest", "ends")
	f.plant.Exception = Exception{Longest: s.Need("longest").Duration(time.Minute, 72*time.Hour), Ends: s.Need("ends").Duration(time.Hour, 14*24*time.Hour)}
}

// ExceptionQuorum is who agrees to an exception; within is the span that is asked
// for. The error is a *Refusal.
func (p *Plant) ExceptionQuorum(targets []Target, rights Rights, within Within) (Quorum, error) {
	e := p.Exception
	if !e.There() {
		return Quorum{}, &Refusal{Rule: "no-exception", Say: "This plant makes no exceptions from its calendars and lengths. Ask for a time at which the work fits.", Why: "the plant file has no exception section"}
	}
	if within.To.Sub(within.From) > e.Ends {
		return Quorum{}, &Refusal{Rule: "exception-ends", Say: fmt.Sprintf("An exception ends within %s. Ask for a shorter span.", source.Words(e.Ends))}
	}
	var assets []AssetName
	needs := map[Role]bool{security: true}
	for _, t := range targets {
		if !slices.Contains(assets, t.Asset) {
			assets = append(assets, t.Asset)
		}
		for _, owner := range p.ownersOnTheWay(t, rights) {
			needs[owner] = true
		}
	}
	q, err := p.Quorum(assets, rights, within)
	if err != nil {
		return q, err
	}
	have := map[Role]Need{}
	for _, n := range q.Needs {
		have[n.Role] = n
	}
	for role := range needs {
		if _, asked := have[role]; !asked {
			q.Needs = append(q.Needs, Need{Role: role, Count: 1, Rule: "exception"})
		}
	}
	if len(q.Needs) == 1 {
		q.Needs[0].Count = max(q.Needs[0].Count, 2)
	}
	slices.SortFunc(q.Needs, func(a, b Need) int { return strings.Compare(string(a.Role), string(b.Role)) })
	q.Proof, q.Spoken, q.Open, q.Longest = ByKey, false, "shift", e.Longest
	return q, nil
}

// ownersOnTheWay are the owner of a machine's zone, and both owners of each
// conduit that any channel with some of these rights would go along.
func (p *Plant) ownersOnTheWay(t Target, rights Rights) (owners []Role) {
	a := p.assets[t.Asset]
	if a == nil {
		return nil // a refusal already
	}
	owners = append(owners, p.zones[a.Zone].Owner)
	protocols := []string{string(t.Port)}
	if t.Port == "ssh" {
		protocols = append(protocols, "sftp") // by the same accounts
	}
	for _, protocol := range protocols {
		for some := Look; some != 0 && some <= rights|Look; some++ { // what takes less may go another way
			if (rights | Look).Has(some) && some.Has(Look) {
				owners = append(owners, p.ownersOf(p.path(a.Zone, protocol, some))...)
			}
		}
	}
	return owners
}

// ownersOf are both owners of each conduit along a path.
func (p *Plant) ownersOf(path []ZoneName) (owners []Role) {
	for i := 1; i < len(path); i++ {
		for _, c := range p.Conduits {
			if c.From == path[i-1] && c.To == path[i] {
				owners = append(owners, c.Owners...)
			}
		}
	}
	return owners
}

// Overlong stands among what an exception waives where its minutes are more than
// the rules' longest.
const Overlong = "longest"

// passesOver says whether a calendar, or Overlong, is waived: at the asking whatever
// stands against it, which is then named; afterwards what was named and agreed. A
// freeze that came into the plant file since is nobody's to pass.
func (w *walk) passesOver(what string) bool {
	return w.excepted() && (w.q.Stage == AtAsk || slices.Contains(w.f.Window.Waives, what))
}

// excepted: so was asked or agreed, and the plant file in force still has it.
func (w *walk) excepted() bool {
	is := w.f.Window.Exception
	if w.q.Stage == AtAsk {
		is = w.q.Exception
	}
	return is && w.p.Exception.There()
}
