package web

import (
	"cmp"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"net/http"
	"strings"

	"penstock/approvals"
	"penstock/approvals/people"
	"penstock/broker/api"
	"penstock/policy"
)

// A kiosk is a wall screen in the control room. Its browser is known by a client
// certificate that OT security enrolled (TLS proves that it has the key); nobody
// signs in. It shows the board, and takes access away. What gives is one tap of a
// person's own passkey, and no session stays behind.

// kioskPath says whether a page is the screen's.
func kioskPath(path string) bool { return path == "/kiosk" || strings.HasPrefix(path, "/kiosk/") }

// asKiosk lets an enrolled browser in, whoever may be signed in beside.
func (g *Pages) asKiosk(v *visit, do func(*visit) error) error {
	v.s, v.name = nil, ""
	if v.r.TLS == nil || len(v.r.TLS.PeerCertificates) == 0 {
		return &policy.Refusal{Rule: "no-kiosk", Say: "This page is for a screen of the control room. OT security enrols it: page Kiosks.", Why: "no client certificate"}
	}
	actor, _, ok := g.Desk.KioskBy(v.ctx(), v.r.TLS.PeerCertificates[0].Raw)
	if !ok {
		return &policy.Refusal{Rule: "no-kiosk", Say: "This screen is not enrolled, or not any more. OT security enrols it: page Kiosks.", Why: "client certificate of no kiosk that stands"}
	}
	actor.Source = source(v.r)
	v.actor = actor
	if v.r.Method == http.MethodPost {
		if err := v.r.ParseForm(); err != nil {
			return badCall{err}
		}
	}
	return do(v)
}

// kioskView is the wall screen: the board's own facts, with other buttons.
type kioskView struct {
	Name   string
	Board  boardView
	Zones  []tick
	Tap    bool // passkeys work here
	Said   string
	Island bool // the question is asked once more
}

// kioskBlock is the form for refusing a person, a firm, a machine or a zone.
func (g *Pages) kioskBlock(v *visit) error {
	return g.asKiosk(v, func(v *visit) error {
		n, err := g.roll(v.ctx())
		if err != nil {
			return err
		}
		var view blocksView
		v.blockable(&view, n)
		return g.show(v, http.StatusOK, "kiosk-block", "Block", view)
	})
}

func (g *Pages) kioskOf(v *visit) (kioskView, error) {
	f, err := g.boardFacts(v)
	if err != nil {
		return kioskView{}, err
	}
	_, k, _ := g.Desk.KioskBy(v.ctx(), v.r.TLS.PeerCertificates[0].Raw)
	view := kioskView{Name: k.Name, Tap: g.passkeysHere(v), Said: v.kioskSaid()}
	if view.Board, err = g.boardOf(v, f); err != nil {
		return view, err
	}
	for _, z := range v.plant.Zones {
		view.Zones = append(view.Zones, tick{Value: string(z.Name), Text: z.Title})
	}
	return view, nil
}

func (g *Pages) kioskPage(v *visit) error {
	return g.asKiosk(v, func(v *visit) error {
		view, err := g.kioskOf(v)
		if err != nil {
			return err
		}
		return g.show(v, http.StatusOK, "kiosk", "Control room", view)
	})
}

// kioskTakes is one verb of the screen itself.
func (g *Pages) kioskTakes(v *visit) error {
	return g.asKiosk(v, func(v *visit) error {
		f := v.r.PostForm
		verb, id, why := v.r.PathValue("verb"), policy.WindowID(f.Get("window")), strings.TrimSpace(f.Get("why"))
		if why == "" {
			why = "from the control room's screen"
		}
		var err error
		switch verb {
		case "pause":
			_, err = g.Desk.Pause(v.ctx(), v.actor, id, why)
		case "cut":
			_, err = g.Desk.Cut(v.ctx(), v.actor, id, why)
		case "block":
			var b policy.Block
			if b, err = v.blockAsked(); err == nil {
				b.Why = cmp.Or(b.Why, why)
				_, err = g.Desk.Block(v.ctx(), v.actor, b)
			}
		case "island":
			if f.Get("sure") != "yes" { // a short tap, or no script: asked once more
				view, err := g.kioskOf(v)
				if err != nil {
					return err
				}
				view.Island = true
				return g.show(v, http.StatusOK, "kiosk", "Control room", view)
			}
			_, err = g.Desk.Island(v.ctx(), v.actor, policy.ZoneName(f.Get("zone")), why)
		default:
			return badCall{errors.New("no verb of this screen")}
		}
		if err != nil {
			return err
		}
		http.Redirect(v.w, v.r, "/kiosk?said="+verb, http.StatusSeeOther)
		return nil
	})
}

// kiosksView is which screens are enrolled.
type kiosksView struct {
	Kiosks   []kioskLine
	MayEnrol bool
	MayTake  bool
	Line     string // what to type
}

type kioskLine struct {
	ID, Name, By, State, Print string
	Until                      stamp
	Stands                     bool
}

func (g *Pages) kiosksPage(v *visit) error {
	list, err := g.Desk.Kiosks(v.ctx(), v.actor)
	if err != nil {
		return err
	}
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	view := kiosksView{MayEnrol: v.actor.Has("ot-security"), MayTake: v.takes(), Line: "penstock kiosk new --out kiosk.pem"}
	for _, k := range list {
		line := kioskLine{ID: k.ID, Name: k.Name, By: n.person(k.By), Until: v.at(k.Until), Stands: k.Stands(v.now), Print: hex.EncodeToString(k.Certificate[:8])}
		switch {
		case k.Revoked != "":
			line.State = "revoked by " + n.person(k.Revoked)
		case !line.Stands:
			line.State = "over"
		}
		view.Kiosks = append(view.Kiosks, line)
	}
	return g.show(v, http.StatusOK, "kiosks", "Kiosks", view)
}

func (g *Pages) enrolKiosk(v *visit) error {
	der, err := pemCertificate(v.r.PostForm.Get("certificate"))
	if err != nil {
		return err
	}
	k, err := g.Desk.EnrolKiosk(v.ctx(), v.actor, v.r.PostForm.Get("name"), der, v.now.AddDate(1, 0, 0))
	if err != nil {
		return err
	}
	return g.done(v, "/kiosks", k.Name+" is enrolled. Its browser opens /kiosk.")
}

func (g *Pages) revokeKiosk(v *visit) error {
	if err := g.Desk.RevokeKiosk(v.ctx(), v.actor, v.r.PathValue("id"), v.r.PostForm.Get("why")); err != nil {
		return err
	}
	return g.done(v, "/kiosks", "Revoked. It takes nothing any more.")
}

// pemCertificate is the one certificate in a text; a private key beside it is refused.
func pemCertificate(text string) ([]byte, error) {
	if strings.Contains(text, "PRIVATE KEY") {
		return nil, &policy.Refusal{Rule: "bad-certificate", Say: "This holds the private key. It stays in the browser: send the certificate alone, and make a new key.", Why: "a private key was sent"}
	}
	b, rest := pem.Decode([]byte(strings.TrimSpace(text)))
	if b == nil || b.Type != "CERTIFICATE" || len(strings.TrimSpace(string(rest))) > 0 {
		return nil, &policy.Refusal{Rule: "bad-certificate", Say: "This is not one certificate in PEM form, from BEGIN CERTIFICATE to END CERTIFICATE.", Why: "no PEM certificate"}
	}
	return b.Bytes, nil
}

// kioskCalls are the same for other programs.
func (s *server) kioskCalls(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/kiosks", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		list, err := s.Desk.Kiosks(r.Context(), a)
		return each(list, err, kioskJSON)
	}))
	mux.HandleFunc("POST /api/v1/kiosks", s.plantDoes(func(r *http.Request, a people.Actor) (any, error) {
		in, err := read[api.KioskAsk](r)
		if err != nil {
			return nil, err
		}
		der, err := pemCertificate(in.Certificate)
		if err != nil {
			return nil, err
		}
		return one(kioskJSON)(s.Desk.EnrolKiosk(r.Context(), a, in.Name, der, in.Until))
	}))
	mux.HandleFunc("POST /api/v1/kiosks/{id}/revoke", s.plantDoes(func(r *http.Request, a people.Actor) (any, error) {
		step, err := read[api.Step](r)
		if err != nil {
			return nil, err
		}
		return api.Receipted{}, s.Desk.RevokeKiosk(r.Context(), a, r.PathValue("id"), step.Why)
	}))
}

func kioskJSON(k approvals.Kiosk) api.Kiosk {
	return api.Kiosk{ID: k.ID, Name: k.Name, Certificate: k.Certificate.String(), Until: k.Until, By: string(k.By), Revoked: string(k.Revoked)}
}
