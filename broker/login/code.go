package login

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

const (
	stepSeconds = 30 // RFC 6238, 5.2
	digits      = otp.DigitsSix
)

// codeDocument is what is sealed: the secret as base32 without padding.
type codeDocument struct {
	V      int    `json:"v"`
	Alg    string `json:"alg"` // sha1: what every authenticator app speaks (RFC 6238, 1.2)
	Secret string `json:"secret"`
}

// spentRow is the last TOTP step (unix seconds / 30) that a person has used.
type spentRow struct {
	Step int64 `json:"step"`
}

func spentKey(id policy.PersonID) string { return "spent/" + string(id) }

// fits tries the code against the person's generator, one step to each side.
// why is empty if it fits; the step is not spent yet. err is a fault.
func (p *Proofs) fits(ctx context.Context, who people.Person, code string) (step int64, why string, err error) {
	key, ok := who.Key(people.TOTP)
	if !ok {
		p.pretend(code)
		return 0, "no code generator", nil
	}
	b, err := p.box.Get(ctx, key.Sealed)
	if err != nil {
		return 0, "", fmt.Errorf("code secret of %s: %w", who.ID, err)
	}
	var d codeDocument
	if err := json.Unmarshal(b, &d); err != nil || d.V != 1 || d.Alg != "sha1" {
		return 0, "", fmt.Errorf("code secret of %s: the document is not readable", who.ID)
	}
	step, ok = p.stepOf(d.Secret, code)
	if !ok {
		return 0, "wrong code", nil
	}
	spent, _, err := p.spent(ctx, who.ID)
	if err != nil {
		return 0, "", err
	}
	if step <= spent {
		return 0, "code used already", nil
	}
	return step, "", nil
}

// stepOf compares with the step before, now and after, all three whatever comes.
func (p *Proofs) stepOf(secret, code string) (step int64, ok bool) {
	code = strings.Map(func(r rune) rune {
		if r == ' ' {
			return -1
		}
		return r
	}, code)
	now := p.now().Unix() / stepSeconds
	for s := now - 1; s <= now+1; s++ {
		want, err := hotp.GenerateCodeCustom(secret, uint64(s), hotp.ValidateOpts{Digits: digits, Algorithm: otp.AlgorithmSHA1})
		if err == nil && len(code) == digits.Length() && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			step, ok = s, true
		}
	}
	return step, ok
}

// pretend does the work of a code check without one.
func (p *Proofs) pretend(code string) { p.stepOf("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", code) }

func (p *Proofs) spent(ctx context.Context, id policy.PersonID) (step int64, rev uint64, err error) {
	row, err := p.rows.Get(ctx, spentKey(id))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("read spent codes of %s: %w", id, err)
	}
	var s spentRow
	if err := json.Unmarshal(row.Value, &s); err != nil {
		return 0, 0, fmt.Errorf("read spent codes of %s: %w", id, err)
	}
	return s.Step, row.Rev, nil
}

// spend writes login.ok with its step; a step not above the last is refused,
// also where two use one code at the same moment.
func (p *Proofs) spend(ctx context.Context, id policy.PersonID, body audit.LoginOK) error {
	for range 8 {
		last, rev, err := p.spent(ctx, id)
		if err != nil {
			return err
		}
		if body.Step <= last {
			return errWrong("code used already")
		}
		_, err = p.journal.Commit(ctx, spentKey(id), audit.Event{Subject: string(id), Rev: rev + 1, Actor: string(id), Body: body})
		if errors.Is(err, state.ErrConflict) {
			continue
		}
		if err != nil {
			return fmt.Errorf("spend code: %w", err)
		}
		return nil
	}
	return errWrong("code used at the same moment elsewhere")
}

// NewSecret makes a TOTP secret that is not yet enrolled, with its otpauth URI, shown once.
func (p *Proofs) NewSecret(ctx context.Context, a people.Actor) (secret, uri string, err error) {
	if _, err := p.present(ctx, a.Person); err != nil {
		return "", "", err
	}
	key, err := totp.Generate(totp.GenerateOpts{Issuer: "Penstock " + p.plant(), AccountName: string(a.Person),
		Period: stepSeconds, Digits: digits, Algorithm: otp.AlgorithmSHA1})
	if err != nil {
		return "", "", fmt.Errorf("make code secret: %w", err)
	}
	return key.Secret(), key.URL(), nil
}

// EnrolSecret enrols it once a code of it has been given; the code's step is
// spent. Where there is a generator already, the roster asks that a carries a
// code of the old one.
func (p *Proofs) EnrolSecret(ctx context.Context, a people.Actor, secret, code string) error {
	name := string(a.Person)
	if err := p.slow.enterStep(name, a.Source); err != nil {
		return err
	}
	if _, err := p.present(ctx, a.Person); err != nil {
		return err
	}
	step, ok := p.stepOf(secret, code)
	if len(secret) < 26 || len(secret) > 128 || !ok {
		p.refused(ctx, name, a.Source, "wrong code of a new generator")
		return errWrong("wrong code of a new generator")
	}
	p.slow.rightStep(name, a.Source)
	if err := p.slow.enrols(name); err != nil {
		return err
	}
	document, err := audit.Canonical(codeDocument{V: 1, Alg: "sha1", Secret: secret})
	if err != nil {
		return err
	}
	sealed, err := p.box.Put(ctx, document)
	if err != nil {
		return fmt.Errorf("seal code secret: %w", err)
	}
	// Spent first: a crash between the two burns a code, and never leaves one usable twice.
	last, _, err := p.spent(ctx, a.Person)
	if err != nil {
		return err
	}
	if step > last {
		body := audit.LoginOK{Person: name, Proofs: []string{string(people.TOTP)}, Step: step}
		if a.Source.IsValid() {
			body.Source = a.Source.Unmap().String()
		}
		if err := p.spend(ctx, a.Person, body); err != nil {
			return err
		}
	}
	return p.roster.Enroll(ctx, a, people.Key{Kind: people.TOTP, ID: string(people.TOTP), Sealed: sealed})
}

// Fold makes rows spent/<person> of login.ok leaves that carry a step.
func Fold() state.Fold {
	return func(ctx context.Context, rows state.Reader, leaf audit.Leaf) ([]state.Change, error) {
		ev, ok := leaf.Body.(audit.LoginOK)
		if !ok || ev.Step == 0 {
			return nil, nil
		}
		key := spentKey(policy.PersonID(ev.Person))
		row, err := rows.Get(ctx, key)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		var last spentRow
		if err == nil {
			if err := json.Unmarshal(row.Value, &last); err != nil {
				return nil, fmt.Errorf("row %s: %w", key, err)
			}
		}
		if ev.Step <= last.Step {
			return nil, errWrong("code used already")
		}
		value, err := audit.Canonical(spentRow{ev.Step})
		if err != nil {
			return nil, err
		}
		return []state.Change{{Row: state.Row{Key: key, Rev: leaf.Rev, Value: value}}}, nil
	}
}
