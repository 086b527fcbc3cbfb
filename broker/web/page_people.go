package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"penstock/approvals/people"
	"penstock/policy"
)

type peopleView struct {
	Pending  []pendingView
	Vouch    []vouchView // keys that sign nothing until somebody vouches for them
	Firms    []firmView
	Roles    []tick
	Sponsors []tick
	Security bool // may write firms
	Invites  []tick
	Invited  *invitedView
	Endings  []endingView // of firms that the reader answers for
}

// endingView is something that ends soon, or has ended.
type endingView struct {
	Who, Link, What, Until string
	Over                   bool
}

// endings are those of firms that the reader sponsors; of all, for OT security.
func (g *Pages) endings(v *visit, n roll) (all []endingView, err error) {
	list, err := g.Roster.Endings(v.ctx())
	for _, e := range list {
		if e.Sponsor != v.actor.Person && !v.actor.Has("ot-security") {
			continue
		}
		one := endingView{Who: n.firm(e.Firm), Link: "/firms/" + string(e.Firm), What: e.What, Until: v.day(e.Until), Over: !e.Until.After(v.now)}
		if e.Person != "" {
			one.Who, one.Link = n.person(e.Person)+", "+one.Who, "/people/"+string(e.Person)
		}
		all = append(all, one)
	}
	return all, err
}

type pendingView struct {
	Person, Name, Firm, Key, By string
	May                         bool
}

// vouchView is a key that waits for somebody's signed word.
type vouchView struct {
	Person, Name, Kind, Device, Key, Line string
	May                                   bool
}

type firmView struct {
	ID, Name, Sponsor, SponsorID, Until string
	Plant                               bool
	Networks                            []string
	People                              []personView
}

type personView struct {
	ID, Name string
	Roles    []string
	Keys     string
	Own      []keyView // SSH keys and passkeys
	Phone    string
	Mail     string
	Disabled bool
	MayPhone bool
	Holds    []tick // the roles that the reader may give and, On, may take; empty: may not
}

// invitedView shows a code once: it is nowhere else, and not on the next page.
type invitedView struct {
	Name, Code, Line string
	Until            stamp
	knownView
}

func (g *Pages) peoplePage(v *visit) error { return g.showPeople(v, nil) }

func (g *Pages) showPeople(v *visit, invited *invitedView) error {
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	view := peopleView{Invited: invited, Security: v.actor.Has("ot-security")}
	if view.Endings, err = g.endings(v, n); err != nil {
		return err
	}
	for _, t := range v.plant.Teams {
		if v.plant.HasRole(t.Name) {
			view.Roles = append(view.Roles, tick{Value: string(t.Name), Text: v.role(t.Name)})
		}
	}
	for _, f := range n.firms {
		may := view.Security || !f.Plant && f.Sponsor == v.actor.Person
		view.Firms = append(view.Firms, v.firmView(f, may, n))
		if may {
			view.Invites = append(view.Invites, tick{Value: string(f.ID), Text: f.Name})
		}
	}
	for _, p := range n.people {
		f, known := n.firms[p.Firm]
		if !known {
			continue
		}
		v.keysTold(&view, f, p, n)
		if f.Plant && !p.Disabled {
			view.Sponsors = append(view.Sponsors, tick{Value: string(p.ID), Text: p.Name})
		}
	}
	slices.SortFunc(view.Firms, func(a, b firmView) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(view.Invites, func(a, b tick) int { return strings.Compare(a.Text, b.Text) })
	slices.SortFunc(view.Vouch, func(a, b vouchView) int { return strings.Compare(a.Name+a.Key, b.Name+b.Key) })
	slices.SortFunc(view.Pending, func(a, b pendingView) int { return strings.Compare(a.Name+a.Key, b.Name+b.Key) })
	slices.SortFunc(view.Sponsors, func(a, b tick) int { return strings.Compare(a.Text, b.Text) })
	return g.show(v, http.StatusOK, "people", "People", view)
}

// firmView is a firm with its people; may: the reader answers for it.
func (v *visit) firmView(f people.Firm, may bool, n roll) firmView {
	one := firmView{ID: string(f.ID), Name: f.Name, Plant: f.Plant, SponsorID: string(f.Sponsor)}
	if f.Sponsor != "" {
		one.Sponsor = n.person(f.Sponsor)
	}
	if !f.Until.IsZero() {
		one.Until = v.day(f.Until)
	}
	for _, p := range f.Networks {
		one.Networks = append(one.Networks, p.String())
	}
	for _, p := range n.people {
		if p.Firm == f.ID {
			person := v.person(p, may, n)
			if may && f.Plant && person.MayPhone { // nobody changes their own
				person.Holds = v.holds(p)
			}
			one.People = append(one.People, person)
		}
	}
	slices.SortFunc(one.People, func(a, b personView) int { return strings.Compare(a.Name, b.Name) })
	return one
}

// holds are the plant's roles, and what somebody has of a file before this one.
func (v *visit) holds(p people.Person) []tick {
	var out []tick
	for _, t := range v.plant.Teams {
		if had := slices.Contains(p.Roles, t.Name); had || v.plant.HasRole(t.Name) {
			out = append(out, tick{string(t.Name), v.role(t.Name), had})
		}
	}
	for _, r := range p.Roles {
		if !slices.ContainsFunc(out, func(one tick) bool { return one.Value == string(r) }) {
			out = append(out, tick{string(r), v.role(r), true})
		}
	}
	return out
}

// keysTold are the keys of somebody that wait for another: to be confirmed, or to be vouched for.
func (v *visit) keysTold(view *peopleView, f people.Firm, p people.Person, n roll) {
	if p.Disabled {
		return
	}
	for _, k := range p.Keys {
		if f.Plant && !k.Signs() && (k.Kind == people.Passkey || k.Kind == people.SSH && !k.Pending) {
			view.Vouch = append(view.Vouch, vouchView{string(p.ID), p.Name, string(k.Kind), k.Name, k.ID, vouchLine(string(p.ID), k.ID, string(v.actor.Person)),
				view.Security && p.ID != v.actor.Person})
		}
		if k.Pending && k.Kind == people.SSH {
			view.Pending = append(view.Pending, pendingView{string(p.ID), p.Name, f.Name, k.ID, n.person(k.By), v.mayConfirm(f, p, k)})
		}
	}
}

func (v *visit) person(p people.Person, may bool, n roll) personView {
	out := personView{ID: string(p.ID), Name: p.Name, Phone: p.Phone, Mail: p.Mail, Disabled: p.Disabled}
	out.MayPhone = may && !p.Disabled && p.ID != v.actor.Person
	for _, r := range p.Roles {
		out.Roles = append(out.Roles, v.role(r))
	}
	var keys []string
	if !p.Disabled {
		out.Own = v.keysOf(p, n, out.MayPhone)
	}
	for _, kind := range []people.KeyKind{people.SSH, people.Passkey, people.Password, people.TOTP} {
		if _, ok := p.Key(kind); ok {
			keys = append(keys, map[people.KeyKind]string{people.SSH: "key", people.Passkey: "passkey", people.Password: "password", people.TOTP: "code"}[kind])
		}
	}
	if out.Keys = strings.Join(keys, ", "); len(keys) == 0 {
		out.Keys = "no key yet"
	}
	return out
}

// mayConfirm shows the button to those whose word may count; the Roster decides.
func (v *visit) mayConfirm(f people.Firm, p people.Person, k people.Key) bool {
	if p.ID == v.actor.Person {
		return false
	}
	if f.Plant {
		return k.By != v.actor.Person && len(v.actor.Roles) > 0
	}
	return f.Sponsor == v.actor.Person || k.By == v.actor.Person
}

func (g *Pages) invite(v *visit) error {
	f := v.r.PostForm
	i, err := g.Roster.Invite(v.ctx(), v.actor, people.Invitation{Person: policy.PersonID(strings.TrimSpace(f.Get("id"))),
		Firm: policy.FirmID(f.Get("firm")), Name: strings.TrimSpace(f.Get("name")), Phone: strings.TrimSpace(f.Get("phone")), Roles: names[policy.Role](f["role"]), Machine: f.Get("machine") != ""})
	if err != nil {
		return err
	}
	return g.showPeople(v, &invitedView{Name: i.Name, Code: i.Code, Until: v.at(i.Until), Line: g.sshLine("join"), knownView: g.known()})
}

// knownView is what somebody's known_hosts needs before the first visit, so that nobody can stand in for the broker.
type knownView struct {
	KnownKey  string // empty: nobody knows it yet
	OnWindows string // what adds it there
}

func (s *server) known() (k knownView) {
	if a := s.Authorities(); a.Host != "" {
		k.KnownKey = "@cert-authority " + a.Name + ",*." + a.Site + " " + a.Host
		k.OnWindows = policy.KeptOnWindows(k.KnownKey, "known_hosts")
	}
	return k
}

// sshLine is what somebody types to reach the broker.
func (s *server) sshLine(user string) string {
	a := s.Authorities()
	line := "ssh " + user + "@" + a.Name
	if a.Port != 22 && a.Port != 0 {
		line = fmt.Sprintf("ssh -p %d %s@%s", a.Port, user, a.Name)
	}
	return line
}

func (g *Pages) confirm(v *visit) error {
	id := policy.PersonID(v.r.PathValue("id"))
	if err := g.Roster.Confirm(v.ctx(), v.actor, id, v.r.PostForm.Get("key")); err != nil {
		return err
	}
	return g.done(v, "/people", "Confirmed. The key counts from now on.")
}

func (g *Pages) phone(v *visit) error {
	id := policy.PersonID(v.r.PathValue("id"))
	if err := g.Roster.SetPhone(v.ctx(), v.actor, id, strings.TrimSpace(v.r.PostForm.Get("phone"))); err != nil {
		return err
	}
	return g.done(v, "/people", "Written. It is on the plant's pages only.")
}

func (g *Pages) mail(v *visit) error {
	id := policy.PersonID(v.r.PathValue("id"))
	if err := g.Roster.SetMail(v.ctx(), v.actor, id, strings.TrimSpace(v.r.PostForm.Get("mail"))); err != nil {
		return err
	}
	return g.done(v, "/people", "Written. Notices go there from now on.")
}

// roles takes what the reader ticked or took out, against what the page showed.
func (g *Pages) roles(v *visit) error {
	f := v.r.PostForm
	had, ticked := names[policy.Role](f["had"]), names[policy.Role](f["role"])
	without := func(all, some []policy.Role) []policy.Role {
		return slices.DeleteFunc(slices.Clone(all), func(r policy.Role) bool { return slices.Contains(some, r) })
	}
	id := policy.PersonID(v.r.PathValue("id"))
	if err := g.Roster.ChangeRoles(v.ctx(), v.actor, id, without(ticked, had), without(had, ticked)); err != nil {
		return err
	}
	return g.done(v, "/people", "Written. The roles count from now on.")
}

func (g *Pages) firm(v *visit) error {
	f := v.r.PostForm
	firm := people.Firm{ID: policy.FirmID(strings.TrimSpace(f.Get("id"))), Name: strings.TrimSpace(f.Get("name")), Sponsor: policy.PersonID(f.Get("sponsor"))}
	var err error
	if firm.Networks, err = people.Networks(f.Get("networks")); err != nil {
		return err
	}
	if s := f.Get("until"); s != "" {
		if firm.Until, err = v.dayEnd(s); err != nil { // the day itself is still good
			return err
		}
	}
	if err := g.Roster.SetFirm(v.ctx(), v.actor, firm); err != nil {
		return err
	}
	return g.done(v, "/people", "Written.")
}
