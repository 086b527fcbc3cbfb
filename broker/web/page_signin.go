package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"penstock/approvals/people"
	"penstock/broker/login"
	"penstock/policy"
)

type signInView struct {
	Say, Next, Person string
	Line              string       // how to set a password
	Passkeys          bool         // one can sign in by a passkey
	Service           *serviceView // the plant's own sign-in service; nil: none
	Draft             []field      // what was being asked when the session ended
}

func (g *Pages) signInPage(v *visit) error {
	next := inside(v.r.URL.Query().Get("next"))
	if v.s != nil {
		http.Redirect(v.w, v.r, next, http.StatusSeeOther)
		return nil
	}
	return g.show(v, http.StatusOK, "sign-in", "Sign in", signInView{Next: next, Service: g.serviceHere(v, next, false), Line: g.passwordLine(), Passkeys: g.passkeysHere(v)})
}

func (g *Pages) passwordLine() string {
	return strings.Replace(g.sshLine("desk"), "ssh ", "ssh -t ", 1) + " password"
}

// inside is a path of these pages and nothing else: nobody is led away by a
// link to the sign-in.
func inside(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" || !strings.HasPrefix(u.Path, "/") ||
		strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") || strings.HasPrefix(u.Path, "//") {
		return "/"
	}
	return (&url.URL{Path: u.Path, RawQuery: u.RawQuery}).String()
}

func (g *Pages) signInPost(v *visit) error {
	if err := v.r.ParseForm(); err != nil {
		return badCall{err}
	}
	f := v.r.PostForm
	name, next := strings.TrimSpace(f.Get("name")), inside(f.Get("next"))
	draft := draftOf(f)
	sign := ""
	if c, err := v.r.Cookie(browserCookie + name); err == nil {
		sign = c.Value
	}
	a, err := g.Proofs.SignInAt(v.ctx(), source(v.r), sign, name, f.Get("password"), strings.TrimSpace(f.Get("code")))
	if r, ok := errors.AsType[*policy.Refusal](err); ok {
		status := http.StatusForbidden
		if r.Rule == "login-wait" {
			status = http.StatusTooManyRequests
		}
		return g.show(v, status, "sign-in", "Sign in", signInView{Say: r.Say, Next: next, Service: g.serviceHere(v, next, false), Person: name, Line: g.passwordLine(), Passkeys: g.passkeysHere(v), Draft: draftFields(draft)})
	}
	if err != nil {
		return err
	}
	p, err := g.Roster.Person(v.ctx(), a.Person)
	if err != nil {
		return fmt.Errorf("look up who signs in: %w", err)
	}
	k, _ := p.Key(people.Password) // taken away in this moment: then the session is over at its first page
	return g.enterAs(v, a, byPassword(k.Sealed), next, draft)
}

// enterAs begins the session of somebody who has just proved who they are, and
// goes where they wanted to.
func (g *Pages) enterAs(v *visit, a people.Actor, by entry, next string, draft url.Values) error {
	p, err := g.Roster.Person(v.ctx(), a.Person)
	if err != nil {
		return fmt.Errorf("look up who signs in: %w", err)
	}
	if err := g.inContract(v.ctx(), p); err != nil {
		return err
	}
	s, token, err := g.sessions.begin(a, by)
	if err != nil {
		return err
	}
	if v.s != nil {
		g.sessions.end(v.s)
	}
	setCookie(v.w, cookieName, token, int(sessionLife.Seconds()))
	setCookie(v.w, browserCookie+string(a.Person), g.Proofs.Browser(a.Person), int(login.BrowserLife.Seconds()))
	v.s = s
	if len(draft) > 0 {
		v.actor, v.name = a, p.Name
		return g.showAsk(v, http.StatusOK, &policy.Refusal{Say: "You were signed out meanwhile, so nothing was asked yet. Here is what you had written: look once more, then ask."}, draft)
	}
	http.Redirect(v.w, v.r, next, http.StatusSeeOther)
	return nil
}

// draftPrefix marks a request's fields on the sign-in page.
const draftPrefix = "draft_"

// draftFields are a request that is being written, to go with a sign-in.
func draftFields(form url.Values) (all []field) {
	for _, name := range askFields {
		for _, value := range form[name] {
			all = append(all, field{draftPrefix + name, value})
		}
	}
	return all
}

// draftOf reads them again.
func draftOf(form url.Values) url.Values {
	draft := url.Values{}
	for _, name := range askFields {
		if values := form[draftPrefix+name]; len(values) > 0 {
			draft[name] = values
		}
	}
	return draft
}

func (g *Pages) signOut(v *visit) error {
	g.sessions.end(v.s)
	setCookie(v.w, cookieName, "", -1)
	http.Redirect(v.w, v.r, "/sign-in", http.StatusSeeOther)
	return nil
}
