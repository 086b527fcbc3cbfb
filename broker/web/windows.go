package web

import (
	"context"
	"net/http"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/broker"
	"penstock/broker/api"
	"penstock/policy"
)

// windowVerb is one step of a window, as the Desk has it.
type windowVerb func(ctx context.Context, a people.Actor, id policy.WindowID, step api.Step) (approvals.Window, error)

func (s *server) windows(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/windows", s.signedIn(func(r *http.Request, a people.Actor) (any, error) {
		list, err := s.Desk.Windows(r.Context(), a)
		return each(list, err, windowJSON)
	}))
	mux.HandleFunc("GET /api/v1/windows/{id}", s.signedIn(func(r *http.Request, a people.Actor) (any, error) {
		return s.windowNow(r.Context(), a, policy.WindowID(r.PathValue("id")))
	}))
	mux.HandleFunc("GET /api/v1/gates", s.plant(func(r *http.Request, _ people.Actor) (any, error) {
		return each(s.Desk.Gates(r.Context()), nil, gateJSON)
	}))
	mux.HandleFunc("POST /api/v1/gates/{gate}", s.plantDoes(func(r *http.Request, a people.Actor) (any, error) {
		step, err := read[api.Step](r)
		if err != nil {
			return nil, err
		}
		return api.Receipted{}, s.Desk.SayOutage(r.Context(), a, r.PathValue("gate"), step.Says == approvals.GateYes, step.Why)
	}))
	for name, verb := range windowVerbs(s.Desk) {
		mux.HandleFunc("POST /api/v1/windows/{id}/"+name, s.does(func(r *http.Request, a people.Actor) (any, error) {
			step, err := read[api.Step](r)
			if err != nil {
				return nil, err
			}
			return one(windowJSON)(verb(r.Context(), a, policy.WindowID(r.PathValue("id")), step))
		}))
	}
	mux.HandleFunc("POST /api/v1/windows/{id}/extend/draft", s.plant(s.draftExtension))
	mux.HandleFunc("POST /api/v1/windows/{id}/step-up/draft", s.plant(s.draftStepUp))
	mux.HandleFunc("GET /api/v1/sessions", s.plant(func(*http.Request, people.Actor) (any, error) {
		return each(s.Broker.Sessions(), nil, sessionJSON)
	}))
	mux.HandleFunc("GET /api/v1/sessions/{id}/watch", s.watchCall)
	s.blocks(mux)
	s.heldFiles(mux)
	s.handovers(mux)
}

// windowVerbs are the steps of a window, by the last word of their path.
func windowVerbs(d *approvals.Desk) map[string]windowVerb {
	return map[string]windowVerb{
		"open": func(ctx context.Context, a people.Actor, id policy.WindowID, _ api.Step) (approvals.Window, error) {
			return d.Open(ctx, a, id)
		},
		"extend":  extendVerb(d),
		"step-up": stepUpVerb(d),
		"pause": func(ctx context.Context, a people.Actor, id policy.WindowID, p api.Step) (approvals.Window, error) {
			return d.Pause(ctx, a, id, p.Why)
		},
		"pause-after": func(ctx context.Context, a people.Actor, id policy.WindowID, p api.Step) (approvals.Window, error) {
			return d.PauseAfter(ctx, a, id, p.Why)
		},
		"go-on": func(ctx context.Context, a people.Actor, id policy.WindowID, _ api.Step) (approvals.Window, error) {
			return d.GoOn(ctx, a, id)
		},
		"end": func(ctx context.Context, a people.Actor, id policy.WindowID, p api.Step) (approvals.Window, error) {
			return d.End(ctx, a, id, p.Why)
		},
		"cut": func(ctx context.Context, a people.Actor, id policy.WindowID, p api.Step) (approvals.Window, error) {
			return d.Cut(ctx, a, id, p.Why)
		},
		"hand-back": func(ctx context.Context, a people.Actor, id policy.WindowID, p api.Step) (approvals.Window, error) {
			return d.HandBack(ctx, a, id, p.Text)
		},
		"left": func(ctx context.Context, a people.Actor, id policy.WindowID, p api.Step) (approvals.Window, error) {
			return d.NoteLeft(ctx, a, id, p.Text, p.Until)
		},
		"left-by": func(ctx context.Context, a people.Actor, id policy.WindowID, p api.Step) (approvals.Window, error) {
			return d.LeftBy(ctx, a, id, p.N, p.Until)
		},
		"left-gone": func(ctx context.Context, a people.Actor, id policy.WindowID, p api.Step) (approvals.Window, error) {
			return d.LeftGone(ctx, a, id, p.N)
		},
		"narrow": narrowVerb(d),
		"gate": func(ctx context.Context, a people.Actor, id policy.WindowID, p api.Step) (approvals.Window, error) {
			return d.SayGate(ctx, a, id, p.Gate, p.Says, p.Why)
		},
		"escort": func(ctx context.Context, a people.Actor, id policy.WindowID, p api.Step) (approvals.Window, error) {
			return d.Escort(ctx, a, id, p.Says, policy.PersonID(p.To))
		},
		"accept": func(ctx context.Context, a people.Actor, id policy.WindowID, p api.Step) (approvals.Window, error) {
			return d.AcceptOutside(ctx, a, id, p.Out)
		},
	}
}

// extendVerb moves the end: with the opener's own signature where the plant file asks for it.
func extendVerb(d *approvals.Desk) windowVerb {
	return func(ctx context.Context, a people.Actor, id policy.WindowID, p api.Step) (approvals.Window, error) {
		if p.Signed == nil {
			return d.Extend(ctx, a, id, p.Until)
		}
		signed, err := signedAnswer(p.Signed)
		if err != nil {
			return approvals.Window{}, err
		}
		return d.ExtendSigned(ctx, a, id, *signed)
	}
}

// stepUpVerb is the second tap of an emergency, signed where the plant file asks for it.
func stepUpVerb(d *approvals.Desk) windowVerb {
	return func(ctx context.Context, a people.Actor, id policy.WindowID, p api.Step) (approvals.Window, error) {
		if p.Signed == nil {
			rights, err := policy.ParseRights(p.Rights)
			if err != nil {
				return approvals.Window{}, badCall{err}
			}
			return d.StepUp(ctx, a, id, rights)
		}
		signed, err := signedAnswer(p.Signed)
		if err != nil {
			return approvals.Window{}, err
		}
		return d.StepUpSigned(ctx, a, id, *signed)
	}
}

// narrowVerb takes rights away from an open window.
func narrowVerb(d *approvals.Desk) windowVerb {
	return func(ctx context.Context, a people.Actor, id policy.WindowID, p api.Step) (approvals.Window, error) {
		rights, err := policy.ParseRights(p.Rights)
		if err != nil {
			return approvals.Window{}, badCall{err}
		}
		return d.Narrow(ctx, a, id, rights, p.Why)
	}
}

func (s *server) handovers(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/handovers", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		list, err := s.Desk.Handovers(r.Context(), a)
		return each(list, err, handoverJSON)
	}))
	mux.HandleFunc("POST /api/v1/handovers", s.plantDoes(func(r *http.Request, a people.Actor) (any, error) {
		h, err := read[api.Handover](r)
		if err != nil {
			return nil, err
		}
		return one(handoverJSON)(s.Desk.HandOver(r.Context(), a, policy.Role(h.Team), h.Due, h.Says))
	}))
	mux.HandleFunc("POST /api/v1/handovers/{id}/take", s.plantDoes(func(r *http.Request, a people.Actor) (any, error) {
		h, err := read[api.Handover](r)
		if err != nil {
			return nil, err
		}
		return one(handoverJSON)(s.Desk.TakeOver(r.Context(), a, r.PathValue("id"), names[policy.WindowID](h.Take)))
	}))
}

func handoverJSON(h approvals.Handover) api.Handover {
	out := api.Handover{ID: h.ID, Team: string(h.Team), By: string(h.By), Due: h.Due, Says: h.Says, Rang: h.Rang}
	for _, i := range h.Items {
		out.Items = append(out.Items, api.Handed{Window: string(i.Window), By: string(i.By)})
	}
	return out
}

func (s *server) blocks(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/blocks", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		waits, err := s.Desk.Liftings(r.Context(), a)
		if err != nil {
			return nil, err
		}
		list, err := s.Desk.Blocks(r.Context())
		return each(list, err, func(b policy.Block) api.Block {
			out := blockJSON(b)
			for _, l := range waits[b.ID] {
				out.Waits = append(out.Waits, liftingJSON(l))
			}
			return out
		})
	}))
	mux.HandleFunc("POST /api/v1/blocks", s.plantDoes(func(r *http.Request, a people.Actor) (any, error) {
		b, err := read[api.Block](r)
		if err != nil {
			return nil, err
		}
		return one(blockJSON)(s.Desk.Block(r.Context(), a, policy.Block{Person: policy.PersonID(b.Person),
			Firm: policy.FirmID(b.Firm), Asset: policy.AssetName(b.Asset), Zone: policy.ZoneName(b.Zone), All: b.All, Island: b.Island,
			Why: b.Why, Until: b.Until}))
	}))
	mux.HandleFunc("POST /api/v1/blocks/{id}/lift", s.plantDoes(s.liftCall))
	mux.HandleFunc("POST /api/v1/blocks/{id}/lift/draft", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		step, err := read[api.Step](r)
		if err != nil {
			return nil, err
		}
		word, text, err := s.Desk.DraftLift(r.Context(), a, r.PathValue("id"), policy.ZoneName(step.Zone))
		if err != nil {
			return nil, err
		}
		return draft(word, evidence.AnswerNamespace, text)
	}))
	mux.HandleFunc("POST /api/v1/island", s.plantDoes(func(r *http.Request, a people.Actor) (any, error) {
		step, err := read[api.Step](r)
		if err != nil {
			return nil, err
		}
		return one(blockJSON)(s.Desk.Island(r.Context(), a, policy.ZoneName(step.Zone), step.Why))
	}))
}

// liftCall lifts a block, or says one of the two words that lift an island.
func (s *server) liftCall(r *http.Request, a people.Actor) (any, error) {
	step, err := read[api.Step](r)
	if err != nil {
		return nil, err
	}
	id := r.PathValue("id")
	island, err := s.Desk.IsIsland(r.Context(), id)
	if err != nil {
		return nil, err
	}
	if !island {
		return api.Lifting{Block: id, Lifted: true}, s.Desk.Lift(r.Context(), a, id, step.Why)
	}
	var signed *evidence.Answer
	if step.Signed != nil {
		if signed, err = signedAnswer(step.Signed); err != nil {
			return nil, err
		}
	}
	return one(liftingJSON)(s.Desk.LiftIsland(r.Context(), a, id, policy.ZoneName(step.Zone), signed))
}

func liftingJSON(l approvals.Lifting) api.Lifting {
	return api.Lifting{Block: l.Block, Zone: string(l.Zone), By: string(l.By), Until: l.Until, Lifted: l.Lifted}
}

func windowJSON(w approvals.Window) api.Window {
	c := w.Claim
	return api.Window{ID: string(w.ID), Request: string(w.Request), State: string(w.State), Firm: string(w.Firm),
		People: c.People, Targets: apiTargets(c.Assets), Rights: c.Rights, Minutes: c.Minutes, From: c.From, To: c.To,
		Opened: w.Opened, OpenedBy: string(w.OpenedBy), Until: w.Until, By: string(w.By), Why: w.Why, HandBack: w.HandBack, Left: leftJSON(w.Left), Pausing: string(w.Pausing), NoBack: !c.HandsBack(), HalfDone: w.HalfDone, Open: c.Open, Kept: w.Kept, Laptop: c.Laptop, Jack: c.Jack, Exception: c.Exception, Machine: machineJSON(c.Machine), Probe: c.Probe, Emergency: w.Emergency, MayStep: w.MayStep, Pattern: w.Pattern}
}

// windowNow is a window with what it waits for.
func (s *server) windowNow(ctx context.Context, a people.Actor, id policy.WindowID) (any, error) {
	w, err := s.Desk.Window(ctx, a, id)
	if err != nil {
		return nil, err
	}
	out := windowJSON(w)
	if w.State != approvals.WindowAgreed && !runs(w) {
		return out, nil
	}
	c, err := s.Desk.Conditions(ctx, a, id)
	if err != nil {
		return nil, err
	}
	for _, g := range c.Gates {
		out.Gates = append(out.Gates, gateJSON(g))
	}
	if e := c.Escort; e.Asked {
		out.Escort = &api.Escort{By: string(e.By), There: e.There, Since: e.Since, Due: e.Due, Lost: e.Lost, Offered: string(e.Offered)}
	}
	return out, nil
}

func gateJSON(c approvals.Condition) api.Gate {
	out := api.Gate{Gate: c.Gate.Name, Name: c.Gate.Title, Kind: c.Gate.Kind, Says: c.Says, Since: c.Since, By: string(c.By), Why: c.Why, Ends: c.Ends}
	if !c.Gate.Safety {
		out.StandIn = string(c.Gate.StandIn)
	}
	return out
}

func blockJSON(b policy.Block) api.Block {
	return api.Block{ID: b.ID, Person: string(b.Person), Firm: string(b.Firm), Asset: string(b.Asset),
		Zone: string(b.Zone), All: b.All, Island: b.Island, Free: words(b.Free), By: string(b.By), Why: b.Why, Until: b.Until}
}

func sessionJSON(l broker.Live) api.Session {
	out := api.Session{ID: string(l.Session), Person: string(l.Person), Firm: string(l.Firm),
		Source: l.Source.String(), Started: l.Started, Channels: []api.Channel{}, Watched: l.Watched}
	for _, c := range l.Channels {
		out.Channels = append(out.Channels, api.Channel{Number: c.Number, Window: string(c.Window), Kind: c.Kind,
			Target: api.Target{Asset: string(c.Target.Asset), Port: string(c.Target.Port), Account: string(c.Target.Account)},
			Until:  c.Until, In: c.In, Out: c.Out, Held: c.Held})
	}
	return out
}
