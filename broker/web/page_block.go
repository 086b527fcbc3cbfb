package web

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/policy"
)

type blockView struct {
	ID, What, By, Why string
	Until             stamp
	All, MayLift      bool
	Receipts          bool // of what the viewer did with it

	Island  bool       // two people lift it
	Zones   []tick     // for which it can be lifted by itself
	Free    []string   // zones it was lifted for
	Waits   []wordView // one of the two has said so
	Key     bool       // a code is not enough
	Passkey bool       // the reader has one that signs here
}

// wordView is the first of two words for lifting an island.
type wordView struct {
	Who, For string
	Until    stamp
	You      bool // the reader has said it
}

type blocksView struct {
	Blocks               []blockView
	MayBlock             bool
	People, Firms        []tick
	Assets, Zones        []tick
	PeopleIn, WindowsRun int
	OnSite               []WindowLine // laptops that an island does not take off
}

func (g *Pages) blocksOf(v *visit, n roll) ([]blockView, error) {
	list, err := g.Desk.Blocks(v.ctx())
	if err != nil {
		return nil, err
	}
	waits, err := g.Desk.Liftings(v.ctx(), v.actor)
	if err != nil {
		return nil, err
	}
	all := v.blocks(list, n)
	for i := range all {
		if all[i].Island {
			v.liftable(&all[i], list[i], waits[list[i].ID], n)
			all[i].Passkey = v.passkey(n) && g.passkeysHere(v)
		}
		if all[i].Receipts, err = g.receipted(v, all[i].ID); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (v *visit) blocks(list []policy.Block, n roll) (out []blockView) {
	for _, b := range list {
		one := blockView{ID: b.ID, What: v.blocked(b, n), By: n.person(b.By), Why: b.Why, Until: v.at(b.Until), All: b.All, MayLift: v.takes(), Island: b.IsIsland()}
		for _, z := range b.Free {
			one.Free = append(one.Free, v.zoneTitle(z))
		}
		out = append(out, one)
	}
	return out
}

func (v *visit) blocked(b policy.Block, n roll) string {
	switch {
	case b.All:
		return "Everybody: the plant is an island"
	case b.Person != "":
		return n.person(b.Person)
	case b.Firm != "":
		return n.firm(b.Firm)
	case b.Asset != "":
		a, _ := v.plant.Asset(b.Asset)
		return a.Title + " " + a.Tag
	}
	if b.Island {
		return v.zoneTitle(b.Zone) + ": an island"
	}
	return v.zoneTitle(b.Zone)
}

func (v *visit) zoneTitle(name policy.ZoneName) string {
	z, _ := v.plant.Zone(name)
	return z.Title
}

// liftable is what lifting an island would mean for the reader.
func (v *visit) liftable(out *blockView, b policy.Block, waits []approvals.Lifting, n roll) {
	out.Key = v.plant.ChangeProof() == policy.ByKey
	for _, z := range v.plant.Zones {
		if b.All && !slices.Contains(b.Free, z.Name) {
			out.Zones = append(out.Zones, tick{Value: string(z.Name), Text: z.Title})
		}
	}
	for _, l := range waits {
		what := "all of it"
		if l.Zone != "" {
			what = v.zoneTitle(l.Zone)
		}
		out.Waits = append(out.Waits, wordView{n.person(l.By), what, v.at(l.Until), l.By == v.actor.Person})
	}
}

func (g *Pages) blockPage(v *visit) error {
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	view := blocksView{MayBlock: v.takes()}
	if view.Blocks, err = g.blocksOf(v, n); err != nil {
		return err
	}
	v.blockable(&view, n)
	return g.show(v, http.StatusOK, "blocks", "Blocks", view)
}

// blockable fills in whom or what a block can be of.
func (v *visit) blockable(view *blocksView, n roll) {
	for id, f := range n.firms {
		if !f.Plant {
			view.Firms = append(view.Firms, tick{Value: "firm/" + string(id), Text: f.Name})
		}
	}
	for id, p := range n.people {
		if !n.firms[p.Firm].Plant && !p.Disabled {
			view.People = append(view.People, tick{Value: "person/" + string(id), Text: p.Name + ", " + n.firm(p.Firm)})
		}
	}
	for _, a := range v.plant.Assets {
		view.Assets = append(view.Assets, tick{Value: "asset/" + string(a.Name), Text: a.Title + " " + a.Tag})
	}
	for _, z := range v.plant.Zones {
		view.Zones = append(view.Zones, tick{Value: "zone/" + string(z.Name), Text: z.Title})
	}
	for _, list := range [][]tick{view.Firms, view.People} {
		slices.SortFunc(list, func(a, b tick) int { return strings.Compare(a.Text, b.Text) })
	}
}

// blockReasons are the chips of a block: they are read by whoever is refused.
var blockReasons = []string{"Something looks wrong", "Not agreed with us", "The line needs the machine", "Their laptop or key is lost"}

// blockHours are how long a block may be by one tap; 0: until it is lifted.
var blockHours = []choice{{Value: 1, Text: "1 hour"}, {Value: 8, Text: "8 hours"}, {Value: 24, Text: "24 hours"}, {Value: 0, Text: "it is lifted"}}

// Reasons and Hours are the chips of the form.
func (blocksView) Reasons() []string { return blockReasons }
func (blocksView) Hours() []choice   { return blockHours }

// blockAsked is the block that a form is for.
func (v *visit) blockAsked() (policy.Block, error) {
	f := v.r.PostForm
	kind, id, _ := strings.Cut(f.Get("what"), "/")
	b := policy.Block{Why: strings.TrimSpace(f.Get("why"))}
	if chip := f.Get("reason"); slices.Contains(blockReasons, chip) {
		b.Why = strings.TrimSuffix(chip+". "+b.Why, ". ")
	}
	switch kind {
	case "person":
		b.Person = policy.PersonID(id)
	case "firm":
		b.Firm = policy.FirmID(id)
	case "asset":
		b.Asset = policy.AssetName(id)
	case "zone":
		b.Zone = policy.ZoneName(id)
	}
	if h := f.Get("hours"); h != "" {
		hours, err := strconv.Atoi(h)
		if err != nil || hours < 0 || hours > 24*365 {
			return b, &policy.Refusal{Rule: "bad-block", Say: "Say for how many hours, or leave it empty: until it is lifted."}
		}
		if hours > 0 {
			b.Until = v.now.Add(time.Duration(hours) * time.Hour)
		}
	}
	return b, nil
}

func (g *Pages) block(v *visit) error {
	b, err := v.blockAsked()
	if err != nil {
		return err
	}
	b, err = g.Desk.Block(v.ctx(), v.actor, b)
	if err != nil {
		return err
	}
	return g.doneAbout(v, "/blocks", "/blocks/"+b.ID, "Blocked. Whoever was in by it is out.")
}

func (g *Pages) lift(v *visit) error {
	if err := g.Desk.Lift(v.ctx(), v.actor, v.r.PathValue("id"), strings.TrimSpace(v.r.PostForm.Get("why"))); err != nil {
		return err
	}
	return g.doneAbout(v, "/blocks", "/blocks/"+v.r.PathValue("id"), "Lifted.")
}

// draftLift is what the reader's word for lifting an island would sign.
func (g *Pages) draftLift(v *visit) error {
	word, _, err := g.Desk.DraftLift(v.ctx(), v.actor, v.r.PathValue("id"), policy.ZoneName(v.r.PostForm.Get("zone")))
	if err != nil {
		return v.refusedPlan(err)
	}
	return g.plan(v, word, evidence.AnswerNamespace, "")
}

// liftIsland takes one of the two words by which an island is lifted.
func (g *Pages) liftIsland(v *visit) error {
	id := v.r.PathValue("id")
	signed, err := g.signedForm(v)
	if err != nil {
		return err
	}
	l, err := g.Desk.LiftIsland(v.ctx(), v.actor, id, policy.ZoneName(v.r.PostForm.Get("zone")), signed)
	if err != nil {
		return err
	}
	said := "You have said so. Somebody else has to say it too, by " + v.at(l.Until).Clock() + "."
	if l.Lifted {
		said = "Lifted, by two people."
	}
	return g.doneAbout(v, "/blocks", "/blocks/"+id, said)
}

func (g *Pages) islandPage(v *visit) error {
	view := blocksView{MayBlock: v.takes()}
	for _, z := range v.plant.Zones {
		view.Zones = append(view.Zones, tick{Value: string(z.Name), Text: z.Title})
	}
	for _, l := range g.Broker.Sessions() {
		view.PeopleIn++
		seen := map[policy.WindowID]bool{}
		for _, c := range l.Channels {
			seen[c.Window] = true
		}
		view.WindowsRun += len(seen)
	}
	var err error
	if view.OnSite, err = g.onSite(v); err != nil {
		return err
	}
	return g.show(v, http.StatusOK, "island", "Island", view)
}

func (g *Pages) island(v *visit) error {
	f := v.r.PostForm
	if f.Get("sure") != "yes" {
		return g.islandPage(v)
	}
	zone := policy.ZoneName(f.Get("zone"))
	b, err := g.Desk.Island(v.ctx(), v.actor, zone, strings.TrimSpace(f.Get("why")))
	if err != nil {
		return err
	}
	said := "Island. Nobody is in, and nobody comes in, until two people lift it."
	if zone != "" {
		said = v.zoneTitle(zone) + " is an island. Nobody is in there, and nobody comes in, until two people lift it."
	}
	if there, err := g.onSite(v); err != nil || len(there) > 0 { // it is taken, whatever can be read now
		said += " It takes no laptop off that is on site: look at the board, and go there."
	}
	return g.doneAbout(v, "/", "/blocks/"+b.ID, said)
}
