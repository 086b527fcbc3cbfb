package policy

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"penstock/policy/source"
)

// askable are the fields of a request that a rule may ask for.
var askable = []string{"reason", "work_order", "change", "backup", "backout", "area_clear"}

// What a yes rests on: a passkey or SSH key of the person's own, which nobody
// else can sign with, or a code, which is the server's word.
const (
	ByKey  = "key"
	ByCode = "code"
)

// MostGrace is the longest grace that a rule can give.
const MostGrace = 10 * time.Minute

func (f *file) rules(v source.Value) {
	names := map[string]bool{}
	for _, item := range f.list(v) {
		s := item.Fields("name", "when", "plan", "open", "longest", "proof", "grace", "ask", "backup", "escort", "during", "not_during", "gates", "on_loss", "also", "at", "training", "spoken")
		r := Rule{Name: f.once(s.Need("name"), names), When: f.when(s.Get("when")), Plan: f.plan(s.Get("plan")),
			Open: s.Get("open").OneOf("shift", "auto", "vendor"), Longest: s.Get("longest").Duration(time.Minute, 31*24*time.Hour), Grace: s.Get("grace").Duration(time.Second, MostGrace), Escort: s.Get("escort").Bool(),
			Proof: s.Get("proof").OneOf(ByKey, ByCode), Spoken: s.Get("spoken").Bool()}
		for _, at := range f.list(s.Get("ask")) {
			r.Ask = append(r.Ask, at.OneOf(askable...))
		}
		r.Training = f.trainings(s.Get("training"))
		r.Backup = s.Get("backup").Duration(time.Hour, 366*24*time.Hour)
		r.During = f.mentionList(s.Get("during"), "calendar")
		r.NotDuring = f.mentionList(s.Get("not_during"), "calendar")
		r.Gates = f.mentionList(s.Get("gates"), "gate")
		r.OnLoss = s.Get("on_loss").OneOf(LossPause, LossEnd)
		r.Also, r.At = f.plan(s.Get("also")), f.mentionList(s.Get("at"), "calendar")
		f.soundRule(item, s, r)
		f.plant.Rules = append(f.plant.Rules, r)
	}
}

func (f *file) soundRule(item source.Value, s source.Fields, r Rule) {
	plan, open, longest := s.Get("plan"), s.Get("open"), s.Get("longest")
	switch {
	case plan.Here() != open.Here() || open.Here() != longest.Here():
		item.Refuse("plan, open and longest go together", "a rule with all three can allow; without any it only narrows")
	case !plan.Here() && !r.Escort && r.Backup == 0 && r.Proof == "" && len(r.Also)+len(r.During)+len(r.NotDuring)+len(r.Gates)+len(r.Ask)+len(r.Training) == 0:
		item.Refuse("this rule says nothing", "give it plan, open and longest, or also, during, not_during, gates, ask, backup, training, proof or escort")
	case plan.Here() && s.Get("also").Here():
		s.Get("also").Refuse("this rule has a plan already", "put them into the plan, or write a rule of their own for when they are asked besides")
	case s.Get("at").Here() && len(r.Also) == 0:
		s.Get("at").Refuse("at says when those in also must agree, and nobody is there", "also: [ot-security]; for when work may be done write during")
	case s.Get("on_loss").Here() && len(r.Gates) == 0 && !r.Escort:
		s.Get("on_loss").Refuse("this rule has no gate and no escort that could be lost", "write it where the gates or the escort are")
	case r.Spoken && !open.Here():
		s.Get("spoken").Refuse("only a rule with plan, open and longest can let a yes be spoken", "write it there; every rule that lets the work be done must say so")
	case r.Spoken && r.When.Rights&NeverSpoken != 0:
		s.Get("spoken").Refuse("nobody agrees by telephone to load programs or to change the device", "leave spoken: out here")
	case s.Get("grace").Here() && !open.Here():
		s.Get("grace").Refuse("only a rule with plan, open and longest can give a grace", "write it there; where several rules fit, the shortest counts")
	case plan.Here() && len(r.Plan) == 0 && (r.Open == "auto" || r.Open == "vendor"):
		plan.Refuse("an empty plan with open: "+r.Open+" lets somebody in whom nobody agreed to", "name who agrees, or say open: shift")
	}
	for _, c := range r.During {
		if slices.Contains(r.NotDuring, c) {
			s.Get("not_during").Refuse(fmt.Sprintf("calendar %s is in during and in not_during: no moment is left", c), "keep one")
		}
	}
	f.later = append(f.later, func() {
		for _, c := range r.During {
			if cal := f.plant.calendars[c]; cal != nil && len(cal.Freeze) > 0 {
				s.Get("during").Refuse(fmt.Sprintf("calendar %s has a freeze; work is not done during a freeze", c), "is not_during meant?")
			}
		}
	})
}

func (f *file) when(v source.Value) When {
	s := v.Fields("right", "zone", "asset", "line", "port")
	var w When
	if at := s.Get("right"); at.Here() {
		for _, one := range f.alone(at) {
			w.Rights |= f.right(one, false)
		}
	}
	w.Zones = typed[ZoneName](f.mentionAlone(s.Get("zone"), "zone"))
	w.Assets = typed[AssetName](f.mentionAlone(s.Get("asset"), "asset"))
	w.Lines = typed[LineName](f.mentionAlone(s.Get("line"), "line"))
	w.Ports = typed[PortName](f.mentionAlone(s.Get("port"), "port"))
	return w
}

func (f *file) alone(v source.Value) []source.Value {
	all := f.bounded(v, v.OneOrMore())
	if v.Kind() == "list" && len(all) == 0 {
		v.Refuse("the list is empty, so the rule is for nothing", "leave it out to mean everything")
	}
	return all
}

func (f *file) mentionAlone(v source.Value, kind string) []string {
	var all []string
	for _, at := range f.alone(v) {
		all = append(all, f.mention(at, kind))
	}
	return all
}

// mentionList is for columns where one name alone reads well.
func (f *file) mentionList(v source.Value, kind string) []string { return f.mentionAlone(v, kind) }

func typed[T ~string](words []string) []T {
	var all []T
	for _, w := range words {
		all = append(all, T(w))
	}
	return all
}

// plan reads roles, each alone (one person) or as {role: how many}.
func (f *file) plan(v source.Value) []Need {
	var all []Need
	add := func(at source.Value, role Role, n int) {
		if role == "" || n == 0 {
			return
		}
		if slices.ContainsFunc(all, func(o Need) bool { return o.Role == role }) {
			at.Refuse(fmt.Sprintf("%s is in this plan twice", role), "write {"+string(role)+": 2} for two people")
			return
		}
		all = append(all, Need{Role: role, Count: n})
	}
	for _, at := range f.list(v) {
		if at.Kind() != "mapping" {
			add(at, f.planRole(at), 1)
			continue
		}
		for _, e := range at.Entries() {
			add(e.Name, f.planRole(e.Name), e.Int(1, 9))
		}
	}
	return all
}

func (f *file) planRole(at source.Value) Role {
	if at.Kind() == "text" && at.Text() == string(ownerWord) {
		return ownerWord
	}
	return f.anyTeam(at)
}

func (f *file) patterns(v source.Value) {
	for _, e := range f.named(v, "pattern") {
		s := e.Fields("assets", "rights", "open", "longest", "machine", "confirm", "owners", "why", "review", "registers")
		p := Pattern{Name: e.Key, Rights: f.rights(s.Need("rights")), Open: s.Need("open").OneOf("shift", "auto", "vendor", "standing"),
			Longest: s.Get("longest").Duration(time.Minute, 31*24*time.Hour), Machine: s.Get("machine").Bool(),
			Owners: f.teamList(s.Need("owners")), Why: s.Need("why").Text(), Review: s.Need("review").Date()}
		for _, at := range f.some(s.Need("assets")) {
			p.Assets = append(p.Assets, AssetName(f.mention(at, "asset")))
		}
		p.Confirm = f.every(s.Get("confirm"))
		standing := p.Open == "standing"
		switch {
		case standing && (!p.Machine || !s.Get("confirm").Here()):
			e.Name.Refuse("a standing pattern is for a machine and is confirmed again and again", "machine: true, confirm: every 90d")
		case !standing && p.Open != "" && !s.Get("longest").Here():
			e.Name.Refuse("this pattern has no longest", "longest: 4h")
		case standing && p.Rights&^MachineRights != 0:
			s.Get("rights").Refuse("a machine looks or takes copies; what changes something is a person's work", "rights: [look, copy]")
		case standing && p.Confirm > longestConfirm:
			s.Get("confirm").Refuse("a standing agreement is confirmed every 90 days at the latest", "confirm: every 90d")
		case standing && s.Get("longest").Here():
			s.Get("longest").Refuse("a standing pattern has no longest", "it ends at its review")
		}
		f.plant.Patterns = append(f.plant.Patterns, p)
		i := len(f.plant.Patterns) - 1
		f.paths = append(f.paths, func() {
			f.checkPattern(s, p)
			f.plant.Patterns[i].Only = f.patternRegisters(s.Get("registers"), p)
		})
	}
}

var everyWords = regexp.MustCompile(`^every ([0-9a-z]+)$`)

func (f *file) every(v source.Value) time.Duration {
	s := v.Text()
	if s == "" {
		return 0
	}
	if m := everyWords.FindStringSubmatch(s); m != nil {
		if d, err := source.ParseDuration(m[1]); err == nil && d >= 24*time.Hour && d <= 366*24*time.Hour {
			return d
		}
	}
	v.Refuse(fmt.Sprintf("%q does not say how often", s), "write every 90d")
	return 0
}

// patternRegisters are registers by asset: {filler-plc: [Fill volume]}.
func (f *file) patternRegisters(v source.Value, p Pattern) (only []Only) {
	if !v.Here() {
		return nil
	}
	var targets []Target
	for _, a := range p.Assets {
		if asset := f.plant.assets[a]; asset != nil {
			for i := range asset.Ports {
				if len(asset.Ports[i].Registers) > 0 {
					targets = append(targets, Target{Asset: a, Port: asset.Ports[i].Name})
				}
			}
		}
	}
	var said []string
	for _, e := range v.Entries() {
		if !slices.Contains(p.Assets, AssetName(e.Key)) {
			e.Name.Refuse(fmt.Sprintf("%s is no asset of this pattern", e.Key), "name one of its assets")
			continue
		}
		for _, at := range f.some(e.Value) {
			word := e.Key + ": " + at.Text()
			if _, err := f.plant.OnlyOf(targets, []string{word}); err != nil {
				at.Refuse(fmt.Sprintf("%s has no register %q that Penstock holds", e.Key, at.Text()), "name one of its register sheet")
				continue
			}
			said = append(said, word)
		}
	}
	only, err := f.plant.OnlyOf(targets, said)
	if err != nil {
		v.Refuse("these registers cannot be held", "at most 64")
	}
	return only
}

func (f *file) checkPattern(s source.Fields, p Pattern) {
	for i, name := range p.Assets {
		a := f.plant.assets[name]
		at := s.Get("assets")
		if slices.Contains(p.Assets[:i], name) {
			at.Refuse(fmt.Sprintf("%s is here twice", name), "")
			continue
		}
		if f.plant.zones[a.Zone].VendorsNever || a.Safety != "" {
			at.Refuse(fmt.Sprintf("no vendor ever reaches %s, so no pattern can be for it", name), "take it out")
			continue
		}
		within := slices.ContainsFunc(a.Ports, func(port Port) bool { return f.plant.path(a.Zone, string(port.Name), p.Rights) != nil })
		if !within {
			s.Get("rights").Refuse(fmt.Sprintf("no conduit carries %s to any port of %s", p.Rights, name), "fewer rights, or another asset")
		}
	}
}
