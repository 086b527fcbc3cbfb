package evidence

import (
	"slices"
	"strings"

	"penstock/audit"
	"penstock/policy"
)

// secret is what the log says of one account's secret at a target.
type secret struct{ now, next audit.Hash }

// judgeSecret holds secret.* to who may set and read one, to the plant file in
// force, and to the order of a rotation. That a document holds what it should is
// the broker's word: it is sealed.
func (w *Walk) judgeSecret() {
	switch b := w.leaf.Body.(type) {
	case audit.SecretSealed:
		w.securityDid(b.By)
		w.must(w.loginBy(b.Asset, b.Account, func(a policy.Account) bool { return string(a.Login) == b.Kind }), "the plant file does not say login: %s for %s on %s", short(b.Kind), short(b.Account), short(b.Asset))
		w.must(!b.Document.IsZero(), "it names no document")
		if w.secrets == nil {
			w.secrets = map[string]*secret{}
		}
		w.secrets[b.Asset+"/"+b.Account] = &secret{now: b.Document}
	case audit.SecretUsed:
		w.secretUsed(b)
	case audit.SecretShown:
		w.securityDid(b.By)
		w.must(b.Why != "", "it does not say why")
		w.secretOf(b.Asset, b.Account)
	case audit.SecretRotating:
		if s := w.secretOf(b.Asset, b.Account); s != nil {
			w.must(w.leaf.Actor == penstock, "rotated by %s, and only the broker does", short(w.leaf.Actor))
			w.must(b.By == "" || w.isSecurity(b.By), "asked for by %s, who is not OT security", short(b.By))
			w.must(b.From == s.now && s.next.IsZero(), "it begins from %s, and the secret was %s, being rotated %t", b.From, s.now, !s.next.IsZero())
			w.must(w.loginBy(b.Asset, b.Account, func(a policy.Account) bool { return a.Rotate.Is() }), "the plant file does not say how %s on %s is rotated", short(b.Account), short(b.Asset))
			s.next = b.To
		}
	case audit.SecretRotated:
		if s := w.secretOf(b.Asset, b.Account); s != nil {
			w.must(!s.next.IsZero() && b.Document == s.next, "%s was not being put in its place", b.Document)
			s.now, s.next = b.Document, audit.Hash{}
		}
	case audit.SecretKept:
		if s := w.secretOf(b.Asset, b.Account); s != nil {
			w.must(!s.next.IsZero() && b.Document == s.now, "%s was not being rotated", b.Document)
			if !b.Lost {
				s.next = audit.Hash{}
			}
		}
	}
}

// secretOf is a secret that an earlier leaf sealed; nil is a finding already.
func (w *Walk) secretOf(asset, account string) *secret {
	s := w.secrets[asset+"/"+account]
	w.must(s != nil, "no secret was sealed for %s on %s", short(account), short(asset))
	return s
}

// securityDid: the leaf is by this person, who is of OT security.
func (w *Walk) securityDid(by string) {
	w.must(w.leaf.Actor == by && w.plantPerson(by), "by %s, who is nobody of the plant", short(by))
	if w.people[by] != nil {
		w.must(w.isSecurity(by), "by %s, who is not of OT security", short(by))
	}
}

// isSecurity says whether somebody is of OT security by the plant file in force.
func (w *Walk) isSecurity(id string) bool {
	p := w.people[id]
	if p == nil {
		return false
	}
	var roles []policy.Role
	for _, r := range p.roles {
		roles = append(roles, policy.Role(r))
	}
	return slices.ContainsFunc(w.now(), func(plant *policy.Plant) bool { return plant != nil && plant.IsSecurity(roles) })
}

// loginBy asks the plant file in force, or the one before, about an account.
func (w *Walk) loginBy(asset, account string, is func(policy.Account) bool) bool {
	return slices.ContainsFunc(w.now(), func(plant *policy.Plant) bool {
		if plant == nil {
			return true // a finding already
		}
		a, ok := plant.LoginOf(policy.AssetName(asset), policy.AccountName(account))
		return ok && is(a)
	})
}

// secretUsed: for the target of a channel that is open, or the host on the way to
// it, or on an errand of the broker's own.
func (w *Walk) secretUsed(b audit.SecretUsed) {
	w.secretOf(b.Asset, b.Account)
	if b.Errand != "" {
		w.must(b.Session == "" && b.Window == "", "an errand of the broker is in nobody's window")
		return
	}
	c := w.openChannel(b.Session, b.Channel)
	if c == nil {
		return
	}
	o := c.opened
	itself := o.Asset == b.Asset && o.Account == b.Account
	onTheWay := o.Via != "" && o.Via == b.Asset && w.forHost(o, b.Account)
	w.must(o.Window == b.Window && (itself || onTheWay), "channel %d is %s on %s in %s, and the secret is %s's on %s in %s", b.Channel, o.Account, o.Asset, o.Window, short(b.Account), short(b.Asset), short(b.Window))
}

// errand: a certificate for what the broker does for itself, to an account that
// the plant file knows.
func (w *Walk) errand(b audit.CertIssued) {
	w.must(b.Session == "" && (b.Errand == "rotate" || b.Errand == "check"), "%q is no errand of the broker", short(b.Errand))
	account, host, _ := strings.Cut(b.Names[0], "@")
	asset, _, _ := strings.Cut(host, ".")
	w.must(w.loginBy(asset, account, func(policy.Account) bool { return true }), "it names %q, which the plant file does not have", short(b.Names[0]))
}
