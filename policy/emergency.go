package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"penstock/policy/source"
)

// Emergency is the frame of the quick way: one yes of the team in Agree, at
// first with StartsAs alone, and with SecondTap only after a second tap by
// whoever opens. It waives who else would have to agree, and calendars; nothing
// waives conduits, zones that say never, blocks, gates, register limits or
// recording. The zero value allows none. NoticeAbove uses within NoticeIn are
// told.
type Emergency struct {
	Agree       []Role // one: of several teams, a team with any:
	StartsAs    Rights
	SecondTap   Rights
	Longest     time.Duration
	Tell        []Role
	Review      time.Duration // from the end of its window
	NoticeAbove int
	NoticeIn    time.Duration
}

// There says whether the plant file has an emergency at all.
func (e *Emergency) There() bool { return len(e.Agree) > 0 }

// Starts are those of the rights asked for that an emergency begins with.
func (e *Emergency) Starts(asked Rights) Rights { return (e.StartsAs|Look)&asked | Look }

// EmergencyQuorum is Quorum for a request of kind emergency: one yes of the team
// that the plant file names, whatever the plans say. Who opens, proof, fields,
// escort and grace stay the rules' own, and the shorter longest counts. Rights
// that no rule covers, or that are in neither list of the emergency, are refused
// with a *Refusal.
func (p *Plant) EmergencyQuorum(assets []AssetName, rights Rights) (Quorum, error) {
	e := &p.Emergency
	if !e.There() {
		return Quorum{}, &Refusal{Rule: "no-emergency", Say: "this plant has no emergency way; ask as usual, and call the control room", Why: "the plant file has no emergency section"}
	}
	rights |= Look
	if more := rights &^ (e.StartsAs | e.SecondTap | Look); more != 0 {
		return Quorum{}, &Refusal{Rule: "emergency-rights", Say: fmt.Sprintf("never by emergency: %s; ask without it, or as usual", more.InWords()), Why: fmt.Sprintf("asked %s, an emergency has %s and by a second tap %s", rights, e.StartsAs, e.SecondTap)}
	}
	q, err := p.Quorum(assets, rights)
	if err != nil {
		return q, err
	}
	q.Needs = []Need{{Role: e.Agree[0], Count: 1, Rule: "emergency"}}
	q.Open = "shift"
	if !slices.Contains(q.Openers, e.Agree[0]) {
		q.Openers = append(q.Openers, e.Agree[0])
		slices.Sort(q.Openers)
	}
	if q.Longest == 0 || e.Longest < q.Longest {
		q.Longest = e.Longest
	}
	return q, nil
}

// Waived are the calendars, sorted, that would keep these rights from these
// assets at some time from … to, and that an emergency passes over.
func (p *Plant) Waived(assets []AssetName, rights Rights, from, to time.Time) []string {
	var names []string
	whole := []span{{from, to}}
	for _, name := range assets {
		a := p.assets[name]
		if a == nil || !from.Before(to) || to.Sub(from) > longestSpan {
			continue
		}
		for _, r := range a.rules {
			if !r.matches(a, "", rights|Look) {
				continue
			}
			for _, c := range r.During {
				if len(without(whole, p.calendars[c].times(nil, p.location, rights, from, to))) > 0 {
					names = append(names, c)
				}
			}
			for _, c := range r.NotDuring {
				if len(p.calendars[c].times(nil, p.location, rights, from, to)) > 0 {
					names = append(names, c)
				}
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

var aboveWords = regexp.MustCompile(`^([0-9]{1,4}) in ([0-9]{1,4}d)$`)

func (f *file) emergency(v source.Value) {
	if !v.Here() {
		return
	}
	s := v.Fields("agree", "starts_as", "second_tap", "longest", "tell", "review", "notice_above")
	e := Emergency{StartsAs: f.rights(s.Need("starts_as")), Longest: s.Need("longest").Duration(time.Minute, 24*time.Hour),
		Tell: f.teamList(s.Need("tell")), Review: s.Need("review").Duration(time.Hour, 31*24*time.Hour)}
	for _, at := range f.some(s.Need("agree")) {
		e.Agree = append(e.Agree, f.anyTeam(at))
	}
	if len(e.Agree) > 1 {
		s.Get("agree").Refuse("one yes is all that an emergency asks for, so one team gives it", "agree: [shift]; for one of several teams, name a team with any:")
	}
	if at := s.Get("second_tap"); at.Here() {
		e.SecondTap = f.rights(at)
	}
	if e.StartsAs&^(Look|Copy) != 0 {
		s.Get("starts_as").Refuse("an emergency starts with looking", "starts_as: [look]; the rest comes by second_tap")
	}
	if at := s.Get("notice_above"); at.Here() {
		m := aboveWords.FindStringSubmatch(at.Text())
		if m == nil {
			at.Refuse("this does not say how many in how long", "write 4 in 30d")
		} else {
			e.NoticeAbove, _ = strconv.Atoi(m[1])
			e.NoticeIn, _ = source.ParseDuration(m[2])
		}
	}
	f.plant.Emergency = e
}
