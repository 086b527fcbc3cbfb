package web

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"penstock/policy"
)

type blockView struct {
	ID, What, By, Why string
	Until             stamp
	All, MayLift      bool
	Receipts          bool // of what the viewer did with it
}

type blocksView struct {
	Blocks               []blockView
	MayBlock             bool
	People, Firms        []tick
	Assets, Zones        []tick
	PeopleIn, WindowsRun int
}

func (g *Pages) blocksOf(v *visit, n roll) ([]blockView, error) {
	list, err := g.Desk.Blocks(v.ctx())
	if err != nil {
		return nil, err
	}
	all := v.blocks(list, n)
	for i := range all {
		if all[i].Receipts, err = g.receipted(v, all[i].ID); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (v *visit) blocks(list []policy.Block, n roll) (out []blockView) {
	for _, b := range list {
		out = append(out, blockView{b.ID, v.blocked(b, n), n.person(b.By), b.Why, v.at(b.Until), b.All, v.takes(), false})
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
	z, _ := v.plant.Zone(b.Zone)
	return z.Title
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
	return g.show(v, http.StatusOK, "blocks", "Blocks", view)
}

func (g *Pages) block(v *visit) error {
	f := v.r.PostForm
	kind, id, _ := strings.Cut(f.Get("what"), "/")
	b := policy.Block{Why: strings.TrimSpace(f.Get("why"))}
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
			return &policy.Refusal{Rule: "bad-block", Say: "Say for how many hours, or leave it empty: until it is lifted."}
		}
		if hours > 0 {
			b.Until = v.now.Add(time.Duration(hours) * time.Hour)
		}
	}
	b, err := g.Desk.Block(v.ctx(), v.actor, b)
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

func (g *Pages) islandPage(v *visit) error {
	view := blocksView{MayBlock: v.takes()}
	for _, l := range g.Broker.Sessions() {
		view.PeopleIn++
		seen := map[policy.WindowID]bool{}
		for _, c := range l.Channels {
			seen[c.Window] = true
		}
		view.WindowsRun += len(seen)
	}
	return g.show(v, http.StatusOK, "island", "Island", view)
}

func (g *Pages) island(v *visit) error {
	if v.r.PostForm.Get("sure") != "yes" {
		return g.islandPage(v)
	}
	b, err := g.Desk.Island(v.ctx(), v.actor, strings.TrimSpace(v.r.PostForm.Get("why")))
	if err != nil {
		return err
	}
	return g.doneAbout(v, "/", "/blocks/"+b.ID, "Island. Nobody is in, and nobody comes in, until somebody lifts it.")
}
