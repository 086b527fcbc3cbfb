package web

import (
	"net/http"
	"strings"

	"penstock/approvals/people"
)

// keysView are the reader's own keys, and how to add a passkey.
type keysView struct {
	Keys     []keyView
	Passkeys bool   // there can be passkeys here
	Origin   string // where they can be
	Waits    bool   // one waits for somebody to vouch for it
	Vouchers []string
	Options  string // of a ceremony that has begun, as JSON; empty: none
	Name     string // of the passkey that is being made
	Person   string
}

// keyView is one key, in words.
type keyView struct {
	Kind, Name, ID, State string
	Passkey, Signs        bool
	Person                string
	May                   bool // take it away
}

func keyState(k people.Key, n roll) string {
	switch {
	case k.Kind == people.Account:
		return "signs in, and signs no answers: " + n.person(k.By) + " linked it"
	case k.Kind == people.Passkey && k.Pending:
		return "waits for somebody to vouch for it; it signs nothing yet"
	case k.Pending:
		return "waits to be confirmed"
	case k.Signs() && k.Vouched != "":
		return "signs answers; " + n.person(k.Vouched) + " vouched for it"
	case k.Signs():
		return "signs answers; it stands in the plant's first file"
	}
	return "signs in, and signs no answers: nobody has vouched for it"
}

func (v *visit) keysOf(p people.Person, n roll, may bool) (list []keyView) {
	for _, k := range p.Keys {
		if k.Kind != people.SSH && k.Kind != people.Passkey && k.Kind != people.Account {
			continue
		}
		kind := "SSH key"
		if k.Kind == people.Account {
			kind, k.Name = "Account", k.Subject
		}
		if k.Kind == people.Passkey {
			kind = "Passkey"
		}
		list = append(list, keyView{Kind: kind, Name: k.Name, ID: k.ID, State: keyState(k, n), Passkey: k.Kind == people.Passkey, Signs: k.Signs(),
			Person: string(p.ID), May: may || p.ID == v.actor.Person && k.Kind == people.Passkey})
	}
	return list
}

func (g *Pages) keysPage(v *visit) error { return g.showKeys(v, "", "") }

func (g *Pages) showKeys(v *visit, name, options string) error {
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	view := keysView{Passkeys: g.passkeysHere(v), Origin: v.plant.Site.Origin, Options: options, Name: name, Person: string(v.actor.Person)}
	view.Keys = v.keysOf(n.people[v.actor.Person], n, false)
	for _, k := range n.people[v.actor.Person].Keys {
		view.Waits = view.Waits || k.Kind == people.Passkey && k.Pending
	}
	view.Vouchers = n.holders("ot-security", v.now, string(v.actor.Person))
	return g.show(v, http.StatusOK, "keys", "Your keys", view)
}

// newPasskey begins the ceremony; the browser's part follows on the page.
func (g *Pages) newPasskey(v *visit) error {
	name := strings.TrimSpace(v.r.PostForm.Get("name"))
	options, err := g.Proofs.BeginPasskey(v.ctx(), v.actor)
	if err != nil {
		return err
	}
	return g.showKeys(v, name, string(options))
}

func (g *Pages) enrolPasskey(v *visit) error {
	f := v.r.PostForm
	if _, err := g.Proofs.EnrolPasskey(v.ctx(), v.actor, strings.TrimSpace(f.Get("name")), []byte(f.Get("credential"))); err != nil {
		return err
	}
	return g.done(v, "/keys", "The passkey is here. It counts once somebody of OT security has vouched for it.")
}
