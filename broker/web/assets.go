package web

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"time"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/broker/api"
	"penstock/policy"
)

// mostHistory is how many windows one machine's page tells of.
const mostHistory = 20

// assetCalls answer what a plant asks about its machines.
func (s *server) assetCalls(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/assets", s.plant(func(*http.Request, people.Actor) (any, error) {
		return each(s.Plant().Assets, nil, assetJSON)
	}))
	mux.HandleFunc("GET /api/v1/assets/{id}", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		at := s.Now()
		if text := r.URL.Query().Get("at"); text != "" {
			var err error
			if at, err = policy.Moment(text, at, s.Plant().Location()); err != nil {
				return nil, badCall{err}
			}
		}
		return s.askAsset(r.Context(), a, policy.AssetName(r.PathValue("id")), at)
	}))
	mux.HandleFunc("POST /api/v1/assets/{id}/backup", s.plantDoes(func(r *http.Request, a people.Actor) (any, error) {
		in, err := read[api.AssetBackup](r)
		if err != nil {
			return nil, err
		}
		name := policy.AssetName(r.PathValue("id"))
		if err := s.Desk.BackedUp(r.Context(), a, name, in.Last, in.Where, in.Tool); err != nil {
			return nil, err
		}
		in.By = string(a.Person)
		return in, nil
	}))
	mux.HandleFunc("GET /api/v1/debt", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		all, err := s.Desk.Debts(r.Context(), a)
		return each(all, err, func(d policy.Debt) api.Debt {
			out := api.Debt{Kind: d.Kind, What: d.What, Text: d.Text, Since: d.Since}
			if !d.Since.IsZero() {
				out.Days = int(s.Now().Sub(d.Since) / (24 * time.Hour))
			}
			return out
		})
	}))
}

func assetJSON(a policy.Asset) api.Asset {
	return api.Asset{Name: string(a.Name), Tag: a.Tag, Title: a.Title, Zone: string(a.Zone), Level: a.Level, Maker: a.Is.Maker, Model: a.Is.Model, Firmware: a.Is.Firmware, Stops: words(a.Stops)}
}

// askAsset answers every question about one machine; reach is at a moment.
func (s *server) askAsset(ctx context.Context, by people.Actor, name policy.AssetName, at time.Time) (api.AssetQuestions, error) {
	p := s.Plant()
	a, ok := p.Asset(name)
	if !ok {
		return api.AssetQuestions{}, fmt.Errorf("asset %.40q: %w", name, fs.ErrNotExist)
	}
	zone, _ := p.Zone(a.Zone)
	out := api.AssetQuestions{Asset: assetJSON(a), At: at, Owner: string(zone.Owner), Opener: string(zone.Opener()), StopsAll: []api.Stop{}, Interlocks: []api.Interlock{}, Neighbours: []string{}, Same: []string{}, Reach: []api.Reach{}}
	for _, stop := range p.StopsOf(name) {
		out.StopsAll = append(out.StopsAll, api.Stop{Line: string(stop.Line.Name), Title: stop.Line.Title, Criticality: stop.Line.Criticality, By: string(stop.By)})
	}
	for _, i := range p.InterlocksOf(name) {
		out.Interlocks = append(out.Interlocks, api.Interlock{Name: i.Name, Of: string(i.Of), Trips: string(i.Trips)})
	}
	for _, o := range p.Assets {
		if o.Zone == a.Zone && o.Name != name {
			out.Neighbours = append(out.Neighbours, string(o.Name))
		}
	}
	if a.Is.Firmware != "" {
		for _, o := range p.Runs(a.Is.Maker, a.Is.Model, a.Is.Firmware) {
			if o.Name != name {
				out.Same = append(out.Same, string(o.Name))
			}
		}
	}
	for _, r := range p.ReachAt(name, at, nil) {
		out.Reach = append(out.Reach, api.Reach{Target: api.Target{Asset: string(r.Asset), Port: string(r.Port), Account: string(r.Account)}, Rights: r.Rights.Words(), Needs: needsJSON(r.Quorum.Needs), Refused: r.Refused, Say: r.Say})
	}
	all, err := s.Desk.Backups(ctx)
	if err != nil {
		return out, err
	}
	if b, known := all[name]; known {
		out.Backup = &api.AssetBackup{Last: b.Last, Where: b.Where, Tool: b.Tool, By: string(b.By), Days: int(s.Now().Sub(b.Last) / (24 * time.Hour))}
	}
	return out, s.assetWindows(ctx, by, name, &out)
}

// assetWindows are the windows on a machine: the newest, and those that were
// open at the moment asked about.
func (s *server) assetWindows(ctx context.Context, by people.Actor, name policy.AssetName, out *api.AssetQuestions) error {
	out.History, out.InThen = []api.AssetWindow{}, []api.AssetWindow{}
	all, err := s.Desk.Windows(ctx, by)
	if err != nil {
		return err
	}
	for _, w := range all {
		if !slices.ContainsFunc(w.Claim.Assets, func(t evidence.Target) bool { return t.Asset == string(name) }) {
			continue
		}
		then := !w.Opened.IsZero() && !out.At.Before(w.Opened) && out.At.Before(w.Until)
		if len(out.History) >= mostHistory && !then {
			continue
		}
		one, err := s.assetWindow(ctx, by, w)
		if err != nil {
			return err
		}
		if len(out.History) < mostHistory {
			out.History = append(out.History, one)
		}
		if then {
			out.InThen = append(out.InThen, one)
		}
	}
	return nil
}

func (s *server) assetWindow(ctx context.Context, by people.Actor, w approvals.Window) (api.AssetWindow, error) {
	q, err := s.Desk.Request(ctx, by, w.Request)
	if err != nil {
		return api.AssetWindow{}, err
	}
	return api.AssetWindow{Window: string(w.ID), Firm: string(w.Firm), People: w.Claim.People, State: string(w.State), Rights: w.Claim.Rights,
		Opened: w.Opened, Until: w.Until, Reason: q.Document.Reason, HandBack: w.HandBack}, nil
}

// assetsView is the list of machines.
type assetsView struct {
	Zones    []zoneAssets
	Unplaced int
}

type zoneAssets struct {
	Name, Owner string
	Never       bool
	Assets      []assetLine
}

type assetLine struct{ Name, Tag, Title, Stops string }

func (g *Pages) assetsPage(v *visit) error {
	view := assetsView{Unplaced: len(v.plant.Unplaced)}
	for _, z := range v.plant.Zones {
		one := zoneAssets{Name: z.Title, Owner: v.role(z.Owner), Never: z.VendorsNever}
		for _, a := range v.plant.Assets {
			if a.Zone == z.Name {
				var stops []string
				for _, stop := range v.plant.StopsOf(a.Name) {
					stops = append(stops, stop.Line.Title)
				}
				one.Assets = append(one.Assets, assetLine{string(a.Name), a.Tag, a.Title, strings.Join(stops, ", ")})
			}
		}
		if len(one.Assets) > 0 {
			view.Zones = append(view.Zones, one)
		}
	}
	return g.show(v, http.StatusOK, "assets", "Assets", view)
}

// assetView is one machine and what its plant asks about it.
type assetView struct {
	Name, Tag, Title, Zone, Level string
	Is                            string
	Owner, Opener                 string
	Stops, Locks                  []string
	Backup                        *backupView // nil: none is known
	MayBackup                     bool        // the reader may say when it was backed up
	Today                         string      // by the plant's clock, 2026-11-22
	Neighbours, Same              []assetLine
	At                            stamp
	Asked                         string // the moment, as it was typed
	Wrong                         string
	Reach                         []reachLine
	InThen, History               []assetJob
}

type reachLine struct{ By, Can, Who, Why string }

type assetJob struct {
	Window, Firm, People, State, Can, Reason, HandBack string
	Opened                                             stamp
}

func (g *Pages) assetPage(v *visit) error {
	at, asked, wrong := v.now, v.r.URL.Query().Get("at"), ""
	if asked != "" {
		if t, err := policy.Moment(asked, v.now, v.plant.Location()); err != nil {
			wrong = "Write the moment as Sun 02:00 or 2026-12-20 10:00."
		} else {
			at = t
		}
	}
	q, err := g.askAsset(v.ctx(), v.actor, policy.AssetName(v.r.PathValue("id")), at)
	if err != nil {
		return err
	}
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	view := v.asset(q, n)
	view.Asked, view.Wrong = asked, wrong
	view.Today = v.now.In(v.plant.Location()).Format(time.DateOnly)
	view.MayBackup = v.plant.MayEscort(v.actor.Roles, policy.AssetName(q.Name))
	if b := q.Backup; b != nil {
		view.Backup = &backupView{v.at(b.Last), span(v.now.Sub(b.Last)), v.now.Sub(b.Last) > oldBackup, b.Where, b.Tool, ""}
		if b.By != "" {
			view.Backup.By = n.person(policy.PersonID(b.By))
		}
	}
	return g.show(v, http.StatusOK, "asset", q.Title, view)
}

func (v *visit) asset(q api.AssetQuestions, n roll) assetView {
	zone, _ := v.plant.Zone(policy.ZoneName(q.Zone))
	view := assetView{Name: q.Name, Tag: q.Tag, Title: q.Title, Zone: zone.Title, Level: q.Level, Is: strings.Join(strings.Fields(q.Maker+" "+q.Model+" "+q.Firmware), " "), Owner: v.role(zone.Owner), Opener: v.role(zone.Opener()), At: v.at(q.At)}
	title := func(name string) string { a, _ := v.plant.Asset(policy.AssetName(name)); return a.Title + ", " + a.Tag }
	for _, s := range q.StopsAll {
		text := s.Title
		if s.By != "" {
			l := v.plant.Lines[slices.IndexFunc(v.plant.Lines, func(l policy.Line) bool { return string(l.Name) == s.By })]
			text += ", which needs " + l.Title
		}
		view.Stops = append(view.Stops, text)
	}
	for _, i := range q.Interlocks {
		view.Locks = append(view.Locks, i.Name+" of "+title(i.Of)+" trips "+title(i.Trips))
	}
	lines := func(names []string) (all []assetLine) {
		for _, name := range names {
			a, _ := v.plant.Asset(policy.AssetName(name))
			all = append(all, assetLine{Name: name, Tag: a.Tag, Title: a.Title})
		}
		return all
	}
	view.Neighbours, view.Same = lines(q.Neighbours), lines(q.Same)
	for _, r := range q.Reach {
		way := v.target(evidence.Target{Asset: r.Asset, Port: r.Port, Account: r.Account})
		line := reachLine{By: "by " + way.Way(), Can: rightsOf(r.Rights).InWords(), Why: v.days(r.Say)}
		var who []string
		for _, need := range r.Needs {
			who = append(who, v.role(policy.Role(need.Role)))
		}
		line.Who = strings.Join(who, ", ")
		view.Reach = append(view.Reach, line)
	}
	jobs := func(list []api.AssetWindow) (all []assetJob) {
		for _, w := range list {
			var who []string
			for _, p := range w.People {
				who = append(who, n.person(policy.PersonID(p)))
			}
			all = append(all, assetJob{w.Window, n.firm(policy.FirmID(w.Firm)), strings.Join(who, ", "), w.State, rightsOf(w.Rights).InWords(), w.Reason, w.HandBack, v.at(w.Opened)})
		}
		return all
	}
	view.InThen, view.History = jobs(q.InThen), jobs(q.History)
	return view
}

type debtView struct {
	Lines []debtLine
	Days  int // of all that has a date
}

type debtLine struct{ Kind, What, Link, Text, Age string }

func (g *Pages) debtPage(v *visit) error {
	all, err := g.Desk.Debts(v.ctx(), v.actor)
	if err != nil {
		return err
	}
	view := debtView{}
	for _, d := range all {
		line := debtLine{Kind: d.Kind, What: d.What, Text: v.days(d.Text), Age: "no date"}
		if name, ok := strings.CutPrefix(d.What, "asset "); ok {
			if a, there := v.plant.Asset(policy.AssetName(name)); there {
				line.What, line.Link = a.Title+", "+a.Tag, "/assets/"+name
			}
		}
		if !d.Since.IsZero() {
			days := int(v.now.Sub(d.Since) / (24 * time.Hour))
			view.Days += days
			line.Age = count(days, "day", "days")
		}
		view.Lines = append(view.Lines, line)
	}
	return g.show(v, http.StatusOK, "debt", "What is owed", view)
}
