package approvals

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"slices"
	"strings"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// A kiosk is a browser of a control room that OT security enrolled, known by
// its client certificate. It takes access away without anybody's sign-in, and
// gives nothing: it is no person, so every verb that gives refuses it.

// kioskRow is the value of kiosk/K-n.
type kioskRow struct {
	Kiosk       string     `json:"kiosk"`
	Name        string     `json:"name"`
	Certificate audit.Hash `json:"certificate"`
	Until       time.Time  `json:"until"`
	By          string     `json:"by"`
	Revoked     string     `json:"revoked,omitempty"` // by whom

	row uint64 // revision of the row
}

// Kiosk is one of them.
type Kiosk struct {
	ID          string // K-1
	Name        string
	Certificate audit.Hash // SHA-256 of its DER
	Until       time.Time
	By          policy.PersonID
	Revoked     policy.PersonID // by whom; empty: it stands
}

func kioskKey(id string) string { return "kiosk/" + id }

const mostKiosks = 20 // that stand

// Stands says whether a kiosk may still take something.
func (k Kiosk) Stands(now time.Time) bool { return k.Revoked == "" && now.Before(k.Until) }

func (d *Desk) kioskRow(ctx context.Context, id string) (k kioskRow, err error) {
	rev, there, err := d.read(ctx, kioskKey(id), &k)
	if k.row = rev; err == nil && !there {
		err = refuse("no-such-kiosk", "There is no kiosk %.40q. See the page Kiosks.", id)
	}
	return k, err
}

// Kiosks are all that were ever enrolled, for the plant's people.
func (d *Desk) Kiosks(ctx context.Context, by people.Actor) ([]Kiosk, error) {
	if err := d.ofPlant(by); err != nil {
		return nil, err
	}
	return d.allKiosks(ctx)
}

func (d *Desk) allKiosks(ctx context.Context) (list []Kiosk, err error) {
	err = d.each(ctx, "kiosk/", func(id string) error {
		k, err := d.kioskRow(ctx, id)
		if err == nil {
			list = append(list, Kiosk{k.Kiosk, k.Name, k.Certificate, k.Until, policy.PersonID(k.By), policy.PersonID(k.Revoked)})
		}
		return err
	})
	if err == nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, k := range list {
			if old := d.kiosks[k.ID]; old.Revoked == "" { // a revocation took effect in memory first
				d.kiosks[k.ID] = k
			}
		}
	}
	return list, err
}

// KioskNames are what the screens are called that were ever enrolled.
func (d *Desk) KioskNames(ctx context.Context) (map[policy.PersonID]string, error) {
	list, err := d.allKiosks(ctx)
	all := map[policy.PersonID]string{}
	for _, k := range list {
		all[policy.PersonID(k.ID)] = k.Name
	}
	return all, err
}

// KioskBy is the kiosk whose browser shows this certificate, as an actor; false:
// none that stands. Once it was looked up, memory alone answers.
func (d *Desk) KioskBy(ctx context.Context, certificate []byte) (people.Actor, Kiosk, bool) {
	k, known := d.kioskOf(audit.HashOf(certificate))
	if !known {
		if _, err := d.allKiosks(ctx); err != nil {
			return people.Actor{}, k, false
		}
		k, known = d.kioskOf(audit.HashOf(certificate))
	}
	if !known || !k.Stands(d.now()) {
		return people.Actor{}, k, false
	}
	return people.Actor{Person: policy.PersonID(k.ID), Plant: true, Kiosk: true, At: d.now()}, k, true
}

func (d *Desk) kioskOf(certificate audit.Hash) (Kiosk, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range d.kiosks {
		if k.Certificate == certificate {
			return k, true
		}
	}
	return Kiosk{}, false
}

// kioskStands asks memory only.
func (d *Desk) kioskStands(id policy.PersonID) error {
	d.mu.Lock()
	k, known := d.kiosks[string(id)]
	d.mu.Unlock()
	if !known || !k.Stands(d.now()) {
		return refuse("not-enrolled", "This kiosk is not enrolled any more. Sign in, or call OT security.")
	}
	return nil
}

// HasKiosks says whether any kiosk stands: only then are browsers asked for a
// certificate at all.
func (d *Desk) HasKiosks(ctx context.Context) bool {
	list, err := d.allKiosks(ctx)
	return err == nil && slices.ContainsFunc(list, func(k Kiosk) bool { return k.Stands(d.now()) })
}

// EnrolKiosk lets the browser that has this certificate's key (X.509, DER) take
// access away, until a time, at most until the certificate ends. By OT security
// with a code; the certificate is pinned as it is, so who signed it says nothing.
func (d *Desk) EnrolKiosk(ctx context.Context, by people.Actor, name string, der []byte, until time.Time) (Kiosk, error) {
	name = strings.TrimSpace(name)
	if name == "" {
		return Kiosk{}, refuse("bad-text", "Give the kiosk a name, such as Control room 1.")
	}
	if err := text("name", name, longestName); err != nil {
		return Kiosk{}, err
	}
	c, err := kioskCertificate(der, d.now())
	if err != nil {
		return Kiosk{}, err
	}
	if until.IsZero() || until.After(c.NotAfter) {
		until = c.NotAfter
	}
	if most := d.now().Add(evidence.KioskLife - time.Minute); until.After(most) {
		until = most
	}
	if until = whole(until); !until.After(d.now()) {
		return Kiosk{}, refuse("bad-time", "A kiosk is enrolled until a time after now.")
	}
	id, err := again(func() (string, error) {
		p, err := d.mayEnrol(ctx, by, audit.HashOf(der))
		if err != nil {
			return "", err
		}
		body := audit.KioskEnrolled{Kiosk: d.heads.next("kiosk/K-"), Name: name, Certificate: audit.HashOf(der), Until: until, By: string(p.ID), At: d.second()}
		_, err = d.commit(ctx, kioskKey(body.Kiosk), 1, body.By, body, p)
		return body.Kiosk, err
	})
	if err != nil {
		return Kiosk{}, err
	}
	if _, err := d.allKiosks(ctx); err != nil {
		return Kiosk{}, err
	}
	return Kiosk{ID: id, Name: name, Certificate: audit.HashOf(der), Until: until, By: by.Person}, nil
}

// mayEnrol is who enrols: OT security with a code, for a certificate that was no
// kiosk's before, where there is room for one more.
func (d *Desk) mayEnrol(ctx context.Context, by people.Actor, certificate audit.Hash) (people.Person, error) {
	p, err := d.activePlant(ctx, by)
	if err != nil {
		return p, err
	}
	if !d.plant().IsSecurity(p.Roles) {
		return p, refuse("not-security", "Only OT security enrols a kiosk. Ask one of them.")
	}
	list, err := d.allKiosks(ctx)
	if err != nil {
		return p, err
	}
	standing := 0
	for _, k := range list {
		if k.Certificate == certificate {
			return p, refuse("enrolled-before", "This certificate is, or was, %s. Make a new one.", k.ID)
		}
		if k.Stands(d.now()) {
			standing++
		}
	}
	if standing >= mostKiosks {
		return p, refuse("too-many-kiosks", "%d kiosks are enrolled. Revoke one.", standing)
	}
	return p, d.proved(by, p)
}

// kioskCertificate reads what a browser would show.
func kioskCertificate(der []byte, now time.Time) (*x509.Certificate, error) {
	if len(der) > 16<<10 {
		return nil, refuse("bad-certificate", "This certificate is larger than 16 KiB. Make one with penstock kiosk new.")
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, &policy.Refusal{Rule: "bad-certificate", Say: "This is no certificate: penstock kiosk new makes one.", Why: err.Error()}
	}
	strong := false
	switch k := c.PublicKey.(type) {
	case ed25519.PublicKey, *ecdsa.PublicKey:
		strong = true
	case *rsa.PublicKey:
		strong = k.N.BitLen() >= 2048
	}
	switch {
	case !strong:
		return nil, refuse("bad-certificate", "Its key is too weak: make one with penstock kiosk new.")
	case !now.Before(c.NotAfter) || now.Add(time.Hour).Before(c.NotBefore):
		return nil, refuse("bad-certificate", "It is good from %s to %s only.", c.NotBefore.Format(time.DateOnly), c.NotAfter.Format(time.DateOnly))
	}
	return c, nil
}

// RevokeKiosk takes it back at once: in memory, then by an event.
func (d *Desk) RevokeKiosk(ctx context.Context, by people.Actor, id, why string) error {
	if err := d.mayTake(by); err != nil {
		return err
	}
	row, err := d.kioskRow(ctx, id)
	if err != nil {
		return err
	}
	d.mu.Lock()
	k := d.kiosks[id]
	k.ID, k.Certificate, k.Revoked = id, row.Certificate, by.Person
	d.kiosks[id] = k
	d.mu.Unlock()
	_, err = again(func() (none, error) {
		row, err := d.kioskRow(ctx, id)
		if err != nil {
			return none{}, err
		}
		if row.Revoked != "" {
			return none{}, illegal(id, "revoked", "revoked again")
		}
		_, err = d.commit(context.WithoutCancel(ctx), kioskKey(id), row.row+1, string(by.Person), audit.KioskRevoked{Kiosk: id, By: string(by.Person), Why: cleaned(why), At: d.second()})
		return none{}, err
	})
	return err
}

// kiosk makes the row of kiosk.enrolled and kiosk.revoked.
func (f folder) kiosk(ctx context.Context, rows state.Reader, leaf audit.Leaf) ([]state.Change, error) {
	r, err := load[kioskRow](ctx, rows, kioskKey(leaf.Subject))
	if err != nil || leaf.Rev != r.rev+1 {
		return nil, err
	}
	switch b := leaf.Body.(type) {
	case audit.KioskEnrolled:
		if r.rev != 0 {
			return nil, illegal(b.Kiosk, "enrolled", "enrolled again")
		}
		r.value = kioskRow{Kiosk: b.Kiosk, Name: b.Name, Certificate: b.Certificate, Until: b.Until, By: b.By}
	case audit.KioskRevoked:
		if r.rev == 0 || r.value.Revoked != "" {
			return nil, illegal(leaf.Subject, "not enrolled", "revoked")
		}
		r.value.Revoked = b.By
	}
	return r.changed()
}
