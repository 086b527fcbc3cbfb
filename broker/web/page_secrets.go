package web

import (
	"net/http"
	"slices"
	"strings"

	"penstock/broker/vault"
	"penstock/policy"
)

// secretsPage is which secrets of machines the broker holds, and how each stands.
// No page shows one: whoever must know it reads it on a terminal, and the log has
// who and why.
type secretsPage struct {
	Secrets  []secretView
	Security bool // the reader seals and replaces
}

type secretView struct {
	Asset, Title, Tag, Account, Login, State, Rotation string
	Public                                             string   // a key's fingerprint
	Used                                               []string // windows, and who has read it, since it was made
	Bad, Held, MayRotate                               bool
	At                                                 stamp
}

func (g *Pages) secretsPage(v *visit) error {
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	page := secretsPage{Security: v.plant.IsSecurity(v.actor.Roles)}
	if page.Secrets, err = g.secretLines(v, n); err != nil {
		return err
	}
	return g.show(v, http.StatusOK, "secrets", "Secrets of machines", page)
}

func (g *Pages) secretLines(v *visit, n roll) (list []secretView, err error) {
	if g.Vault == nil {
		return nil, nil
	}
	all, err := g.Vault.List(v.ctx(), v.actor)
	if err != nil {
		return nil, err
	}
	for _, k := range all {
		a, _ := v.plant.Asset(policy.AssetName(k.Asset))
		one := secretView{Asset: k.Asset, Title: a.Title, Tag: a.Tag, Account: k.Account, Login: k.Wanted.String(), State: "not sealed, so nobody gets in by it", Bad: true, Public: k.Public, MayRotate: k.Is() && k.Rotate && k.Next.IsZero()}
		if k.Is() {
			one.State, one.Bad, one.Held, one.At = "sealed by "+n.person(policy.PersonID(k.By)), false, true, v.at(k.At)
			if k.By == "penstock" {
				one.State = "replaced by Penstock"
			}
		}
		for _, used := range k.Used {
			who, read := strings.CutPrefix(used, "shown to ")
			if read {
				used = "read by " + n.person(policy.PersonID(who))
			}
			one.Used = append(one.Used, used)
		}
		one.Rotation, one.Bad = rotationWords(k, one.Bad)
		list = append(list, one)
	}
	slices.SortStableFunc(list, func(a, b secretView) int { // what wants a look comes first
		if a.Bad == b.Bad {
			return 0
		}
		return map[bool]int{true: -1, false: 1}[a.Bad]
	})
	return list, nil
}

func rotationWords(k vault.Known, bad bool) (string, bool) {
	switch {
	case k.Lost:
		return "Not known which of two secrets logs in; both are kept and tried: " + k.Failed, true
	case k.Failed != "":
		return "Not replaced; the old one stays: " + k.Failed, true
	case !k.Next.IsZero():
		return "Being replaced now.", bad
	case !k.Is():
		return "", bad
	case k.Rotate:
		return "Replaced after each window that used it.", bad
	}
	return "Not replaced: the plant file does not say how.", bad
}

// Fields of a form that no page gives back, whatever it asks for on the way.
const (
	secretField = "secret"
	secretAgain = "secret_again"
)

// sealSecret gives the broker the secret of one account.
func (g *Pages) sealSecret(v *visit) error {
	f, asset, account := v.r.PostForm, policy.AssetName(v.r.PathValue("asset")), policy.AccountName(v.r.PathValue("account"))
	secret := vault.Secret(strings.ReplaceAll(f.Get(secretField), "\r\n", "\n"))
	defer clear(secret)
	again, twice := f[secretAgain]
	switch {
	case g.Vault == nil:
		return &policy.Refusal{Rule: "no-secret-wanted", Say: "This broker keeps no secrets.", Why: "no vault"}
	case len(secret) == 0:
		return &policy.Refusal{Rule: "no-text", Say: "Type the secret once more: nothing was kept of it on the way.", Why: "the form came without it"}
	case twice && again[0] != f.Get(secretField):
		return &policy.Refusal{Rule: "no-text", Say: "The two are not the same. Nothing was sealed.", Why: "typed differently"}
	}
	if err := g.Vault.Set(v.ctx(), v.actor, asset, account, secret); err != nil {
		return err
	}
	return g.done(v, "/secrets", "Sealed. Nobody sees it here any more. Try it: penstock target check "+string(asset)+" --account "+string(account))
}

// rotateSecret replaces one at its machine now.
func (g *Pages) rotateSecret(v *visit) error {
	asset, account := policy.AssetName(v.r.PathValue("asset")), policy.AccountName(v.r.PathValue("account"))
	if g.Vault == nil {
		return &policy.Refusal{Rule: "no-secret-wanted", Say: "This broker keeps no secrets.", Why: "no vault"}
	}
	if err := g.Vault.RotateNow(v.ctx(), v.actor, asset, account); err != nil {
		return err
	}
	return g.done(v, "/secrets", "The machine was told. How it went stands below.")
}
