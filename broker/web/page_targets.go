package web

import (
	"net/http"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"penstock/approvals"
	"penstock/policy"
)

// targetsPage is how the broker itself gets into machines: keys that they showed
// in place of the pinned ones, sealed secrets, and what is spoken in old SSH.
type targetsPage struct {
	Keys    []shownKeyView
	Secrets secretsCount
	Old     []oldView
}

// secretsCount is how many secrets of machines are wanted, held, and want a look.
type secretsCount struct{ Wanted, Held, Bad int }

// shownKeyView is a machine that showed another key than the plant pinned.
type shownKeyView struct {
	Asset, Title, Tag string
	Key, Print        string   // authorized_keys form, and its fingerprint
	Pinned            []string // fingerprints
	At                stamp
	Seen              string     // in which window and session
	Accepted, By, Why string     // window, and who said so
	Confirmed         string     // by whom
	Accept            []choiceID // windows that the reader may accept it for
	Security          bool       // the reader decides about it for good
	Mine              bool       // the reader accepted it, so somebody else confirms
}

type choiceID struct{ ID, Text string }

type oldView struct {
	Asset, Title, Allow, Why, Owner string
	Review                          string
	Late                            bool
}

func (g *Pages) targetsPage(v *visit) error {
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	var page targetsPage
	if page.Keys, err = g.shownKeys(v, n); err != nil {
		return err
	}
	secrets, err := g.secretLines(v, n)
	if err != nil {
		return err
	}
	for _, s := range secrets {
		page.Secrets.Wanted++
		if s.Held {
			page.Secrets.Held++
		}
		if s.Bad {
			page.Secrets.Bad++
		}
	}
	for i := range v.plant.Assets {
		a := &v.plant.Assets[i]
		if port, ok := a.Port("ssh"); ok && port.Old.Is() {
			o := port.Old
			page.Old = append(page.Old, oldView{Asset: string(a.Name), Title: a.Title, Allow: strings.Join(o.Algorithms, ", "), Why: o.Why, Owner: v.role(o.Owner),
				Review: v.dateOf(o.Review), Late: v.now.After(o.Review.AddDate(0, 0, 1))})
		}
	}
	return g.show(v, http.StatusOK, "targets", "Ways into machines", page)
}

func (g *Pages) shownKeys(v *visit, n roll) (list []shownKeyView, err error) {
	keys, err := g.Desk.ChangedKeys(v.ctx())
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	windows, err := g.Desk.Windows(v.ctx(), v.actor)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		list = append(list, v.shownKey(k, windows, n))
	}
	return list, nil
}

func (v *visit) shownKey(k approvals.ChangedKey, windows []approvals.Window, n roll) shownKeyView {
	a, _ := v.plant.Asset(k.Asset)
	out := shownKeyView{Asset: string(k.Asset), Title: a.Title, Tag: a.Tag, Key: k.Key, Print: printOf(k.Key), At: v.at(k.At), Accepted: string(k.Accepted), Why: k.Why,
		Security: v.plant.IsSecurity(v.actor.Roles), Mine: k.By == v.actor.Person}
	port, _ := a.Port("ssh")
	for _, pin := range port.HostKeys {
		out.Pinned = append(out.Pinned, printOf(pin))
	}
	if k.By != "" {
		out.By = n.person(k.By)
	}
	if k.Confirmed != "" {
		out.Confirmed = n.person(k.Confirmed)
		return out
	}
	if k.Window != "" {
		out.Seen = "in " + string(k.Window) + ", session " + string(k.Session)
	}
	for _, w := range windows {
		if string(k.Accepted) != string(w.ID) && v.mayAccept(k, w) {
			out.Accept = append(out.Accept, choiceID{string(w.ID), string(w.ID) + ", " + strings.Join(n.list(w.Claim.People), ", ") + " of " + n.firm(w.Firm)})
		}
	}
	return out
}

// mayAccept says whether a button is worth showing; the Desk decides.
func (v *visit) mayAccept(k approvals.ChangedKey, w approvals.Window) bool {
	runs := w.State == approvals.WindowOpen || w.State == approvals.WindowPaused || w.State == approvals.WindowEnding
	if !runs || k.At.Before(w.Opened) || !slices.Contains(w.Claim.Rights, "load") && !slices.Contains(w.Claim.Rights, "device") {
		return false
	}
	z, _ := v.plant.Zone(v.zoneOf(k.Asset))
	for _, t := range w.Claim.Assets {
		if t.Asset == string(k.Asset) {
			return v.actor.Has(z.Opener())
		}
	}
	return false
}

func (v *visit) zoneOf(asset policy.AssetName) policy.ZoneName {
	a, _ := v.plant.Asset(asset)
	return a.Zone
}

// printOf is a key's kind and fingerprint, as ssh-keygen -l shows them.
func printOf(line string) string {
	k, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		return "a key that cannot be read"
	}
	return k.Type() + " " + ssh.FingerprintSHA256(k)
}

// keyWord is a person's word about a key that a machine showed.
func (g *Pages) keyWord(v *visit) error {
	f, asset := v.r.PostForm, policy.AssetName(v.r.PathValue("asset"))
	key, why := f.Get("key"), strings.TrimSpace(f.Get("why"))
	var err error
	said := ""
	switch {
	case strings.HasSuffix(v.r.URL.Path, "/accept"):
		said = "Accepted for " + f.Get("window") + " alone. OT security confirms it by day."
		err = g.Desk.AcceptKey(v.ctx(), v.actor, asset, policy.WindowID(f.Get("window")), key, why)
	case strings.HasSuffix(v.r.URL.Path, "/confirm"):
		said = "Confirmed. Write it into the plant file, so that it is pinned."
		err = g.Desk.ConfirmKey(v.ctx(), v.actor, asset, key, why)
	default:
		said = "Noted. The pinned key stays, and the machine may be opened again."
		err = g.Desk.ClearKey(v.ctx(), v.actor, asset, key, why)
	}
	if err != nil {
		return err
	}
	return g.done(v, "/targets", said)
}
