package vault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/ssh"

	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// Bounds of a secret, in bytes.
const (
	maxPassword = 256
	maxKey      = 16 << 10
)

// Set gives the broker the secret of one account, by OT security with a code. It
// takes the place of whatever was sealed before.
func (v *Vault) Set(ctx context.Context, by people.Actor, asset policy.AssetName, account policy.AccountName, secret Secret) error {
	p, err := v.Roster.MaySeal(ctx, by)
	if err != nil {
		return err
	}
	a, ok := v.Plant().LoginOf(asset, account)
	if !ok || !a.Login.Sealed() {
		return refuse("no-secret-wanted", "The plant file does not say login: password or login: key for %s on %s, so no secret would be used. See the ssh port of the asset.", account, asset)
	}
	public, err := fits(a.Login, secret)
	if err != nil {
		return err
	}
	v.rotating.Lock() // a rotation that is under way ends first
	defer v.rotating.Unlock()
	row := Row{Asset: string(asset), Account: string(account), Kind: string(a.Login)}
	document, err := v.seal(ctx, row, secret)
	if err != nil {
		return err
	}
	return v.commit(ctx, row, string(by.Person), func(Row) (audit.Body, error) {
		return audit.SecretSealed{Asset: row.Asset, Account: row.Account, Kind: row.Kind, Document: document, Public: public, By: string(by.Person), At: v.second()}, nil
	}, p)
}

// fits holds a secret to its kind, and gives a key's fingerprint.
func fits(by policy.LoginBy, s Secret) (public string, err error) {
	if by == policy.LoginKey {
		if len(s) > maxKey {
			return "", refuse("bad-secret", "A key has at most %d bytes.", maxKey)
		}
		k, err := ssh.ParsePrivateKey(s)
		if err != nil {
			return "", refuse("bad-secret", "This is no private key without a passphrase, in OpenSSH's or PEM form. Make one with ssh-keygen -t ed25519 -N \"\".")
		}
		return ssh.FingerprintSHA256(k.PublicKey()), nil
	}
	if len(s) == 0 || len(s) > maxPassword || !utf8.Valid(s) || strings.ContainsFunc(string(s), func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", refuse("bad-secret", "A password is one line of 1 to %d bytes.", maxPassword)
	}
	return "", nil
}

// Show gives a secret to a person of OT security with a code, who says why. It
// is rotated afterwards, where the plant file says how.
func (v *Vault) Show(ctx context.Context, by people.Actor, asset policy.AssetName, account policy.AccountName, why string) (Secret, error) {
	if why = strings.TrimSpace(why); why == "" || len(why) > 500 || !utf8.ValidString(why) {
		return nil, refuse("no-text", "Say why somebody must know it, in at most 500 bytes: the log keeps it.")
	}
	p, err := v.Roster.MaySeal(ctx, by)
	if err != nil {
		return nil, err
	}
	row, err := v.row(ctx, asset, account)
	if err != nil {
		return nil, err
	}
	if !row.Next.IsZero() {
		return nil, refuse("being-rotated", "The secret of %s on %s is being replaced. Try again in a minute.", account, asset)
	}
	secret, err := v.open(ctx, row, row.Document)
	if err != nil {
		return nil, err
	}
	err = v.commit(ctx, row, string(by.Person), func(now Row) (audit.Body, error) {
		if now.Document != row.Document {
			return nil, refuse("being-rotated", "The secret of %s on %s was replaced meanwhile. Ask again.", account, asset)
		}
		return audit.SecretShown{Asset: row.Asset, Account: row.Account, By: string(by.Person), Why: why, At: v.second()}, nil
	}, p)
	if err != nil {
		clear(secret)
		return nil, err
	}
	v.again()
	return secret, nil
}

// List is what may be told of all secrets, to people of the plant.
func (v *Vault) List(ctx context.Context, by people.Actor) ([]Known, error) {
	if err := v.Roster.MaySee(ctx, by); err != nil {
		return nil, err
	}
	return v.Secrets(ctx)
}

// commit makes one step of a row, again while others are faster.
func (v *Vault) commit(ctx context.Context, row Row, actor string, body func(Row) (audit.Body, error), on ...people.Person) error {
	for try := 0; ; try++ {
		now, err := read(ctx, v.rows, row.Asset, row.Account)
		if err != nil {
			return err
		}
		b, err := body(now)
		if err != nil {
			return err
		}
		_, err = v.Journal.CommitOn(ctx, row.key(), audit.Event{Subject: row.subject(), Rev: now.rev + 1, Actor: actor, Body: b}, people.Seen(on...)...)
		if !errors.Is(err, state.ErrConflict) || try == mostTries {
			return err
		}
	}
}

func (v *Vault) second() time.Time { return v.Now().UTC().Truncate(time.Second) }

func (v *Vault) again() {
	select {
	case v.poke <- struct{}{}:
	default:
	}
}

func refuse(rule, say string, args ...any) error {
	return &policy.Refusal{Rule: rule, Say: fmt.Sprintf(say, args...), Why: fmt.Sprintf(say, args...)}
}
