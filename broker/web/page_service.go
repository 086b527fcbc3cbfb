package web

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"penstock/approvals/people"
	"penstock/broker/api"
	"penstock/broker/login"
	"penstock/policy"
)

// serviceCookie marks the browser that was sent to the sign-in service. It comes
// back with somebody else's redirect, so it cannot be Strict as the session's is.
const serviceCookie = "__Host-penstock-service"

// service is what the pages say of the plant's sign-in service.
type serviceView struct {
	Name, Link string
}

// serviceHere is nil where there is none, or, for a step-up, where it can do none
// or the reader has no account there.
func (g *Pages) serviceHere(v *visit, next string, step bool) *serviceView {
	name, steps, ok := g.Proofs.Service()
	if !ok || step && !steps {
		return nil
	}
	link := "/sign-in/service?next=" + url.QueryEscape(next)
	if step {
		p, err := g.Roster.Person(v.ctx(), v.actor.Person)
		if _, has := p.Key(people.Account); err != nil || !has {
			return nil
		}
		link += "&step=yes"
	}
	return &serviceView{name, link}
}

// toService sends somebody to the sign-in service.
func (g *Pages) toService(v *visit) error {
	way := login.ServiceWay{Next: inside(v.r.URL.Query().Get("next"))}
	if v.r.URL.Query().Get("step") != "" {
		if v.s == nil {
			return g.sendToSignIn(v)
		}
		way.Step, way.Bound = true, hex.EncodeToString(v.s.key[:])
	}
	address, browser, err := g.Proofs.BeginService(v.ctx(), source(v.r), way)
	if no, ok := errors.AsType[*policy.Refusal](err); ok {
		return g.serviceSays(v, no, way)
	}
	if err != nil {
		return err
	}
	http.SetCookie(v.w, &http.Cookie{Name: serviceCookie, Value: browser, Path: "/", MaxAge: int((5 * time.Minute).Seconds()), Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(v.w, v.r, address, http.StatusSeeOther)
	return nil
}

// serviceSays tells of a refusal where the other ways in stand beside it.
func (g *Pages) serviceSays(v *visit, no *policy.Refusal, way login.ServiceWay) error {
	if way.Step {
		return no
	}
	status := http.StatusForbidden
	if no.Rule == "oidc-down" {
		status = http.StatusServiceUnavailable
	}
	return g.show(v, status, "sign-in", "Sign in", signInView{Say: no.Say, Next: inside(way.Next), Service: g.serviceHere(v, inside(way.Next), false), Line: g.passwordLine(), Passkeys: g.passkeysHere(v)})
}

// fromService takes what the service sent somebody back with. The page that
// follows is asked for by a page of ours, because the session's cookie goes with
// nothing that another site has begun.
func (g *Pages) fromService(v *visit) error {
	browser := ""
	if c, err := v.r.Cookie(serviceCookie); err == nil {
		browser = c.Value
	}
	http.SetCookie(v.w, &http.Cookie{Name: serviceCookie, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	in, err := g.Proofs.ServiceIn(v.ctx(), source(v.r), v.r.URL.Query(), browser)
	if no, ok := errors.AsType[*policy.Refusal](err); ok {
		return g.serviceSays(v, no, login.ServiceWay{Next: "/"})
	}
	if err != nil {
		return err
	}
	if in.Way.Step {
		return g.steppedUp(v, in)
	}
	s, token, err := g.sessions.begin(in.Actor, byAccount(in.Key.ID, in.Until))
	if err != nil {
		return err
	}
	setCookie(v.w, cookieName, token, int(sessionLife.Seconds()))
	if len(in.Actor.Without) > 0 {
		s.setFlash(fmt.Sprintf("Your sign-in did not bring the group of %s: look and stop things, but to say yes sign in by passkey, or by password and code.", strings.Join(words(in.Actor.Without), ", ")))
	}
	if v.s != nil {
		g.sessions.end(v.s)
	}
	return g.goOn(v, "Signed in", in.Way.Next)
}

// goOn is a page of nobody's, so that what is said is said on the next one.
func (g *Pages) goOn(v *visit, title, next string) error {
	v.s, v.actor, v.name = nil, people.Actor{}, ""
	return g.show(v, http.StatusOK, "go-on", title, inside(next))
}

// steppedUp gives the proof to the session that asked for it, if it is still
// there and the same person's.
func (g *Pages) steppedUp(v *visit, in login.ServiceIn) error {
	s := g.sessions.byKey(in.Way.Bound)
	if s == nil || s.who().Person != in.Actor.Person {
		return &policy.Refusal{Rule: "oidc", Say: "Whoever asked for this is signed out by now, or is somebody else. Sign in, and try again.", Why: "the step-up's session is gone, or another person's"}
	}
	s.stepUp(in.Actor, "")
	s.setFlash("Proved. It counts for five minutes: press the button once more.")
	return g.goOn(v, "Proved", in.Way.Next)
}

// link lets somebody sign in by their account at the service.
func (g *Pages) link(v *visit) error {
	id := policy.PersonID(v.r.PathValue("id"))
	if err := g.Roster.LinkAccount(v.ctx(), v.actor, id, g.Proofs.Issuer(), strings.TrimSpace(v.r.PostForm.Get("subject"))); err != nil {
		return err
	}
	return g.done(v, "/people/"+string(id), "Linked. They can sign in by it from now on.")
}

func (s *server) serviceCalls(mux *http.ServeMux) {
	mux.HandleFunc("POST /api/v1/people/{id}/link", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		in, err := read[api.Account](r)
		if err != nil {
			return nil, err
		}
		id := policy.PersonID(r.PathValue("id"))
		if err := s.Roster.LinkAccount(r.Context(), a, id, s.Proofs.Issuer(), in.Subject); err != nil {
			return nil, err
		}
		return one(personJSON)(s.Roster.Person(r.Context(), id))
	}))
}
