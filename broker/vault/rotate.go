package vault

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

const (
	lookEvery   = 30 * time.Second // for windows that are over
	oneRotation = 2 * time.Minute  // at a target, all of it
	firstAgain  = 10 * time.Minute // after a rotation that failed; doubles
	lastAgain   = 24 * time.Hour
)

// letters of a new password: none that is taken for another.
const letters = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789"

// Run rotates what is due, and finishes what a crash left half done, until ctx ends.
func (v *Vault) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var watch sync.WaitGroup
	defer watch.Wait()
	watch.Go(func() { v.watch(ctx) })
	for {
		if err := v.Rotate(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		case <-v.poke:
		}
	}
}

// watch has Run look when a window changes. What it misses, the tick finds.
func (v *Vault) watch(ctx context.Context) {
	for ctx.Err() == nil {
		for _, err := range v.Rows.Watch(ctx, "window/") {
			if err != nil {
				break
			}
			v.again()
		}
		select {
		case <-ctx.Done():
		case <-time.After(lookEvery):
		}
	}
}

// Rotate looks at every secret once. An error is the log's or the store's; what
// a target does is in the log.
func (v *Vault) Rotate(ctx context.Context) error {
	if v.Machine == nil {
		return nil
	}
	all, err := v.Secrets(ctx)
	if err != nil {
		return err
	}
	for _, k := range all {
		if !k.Row.Is() {
			continue
		}
		due, why, err := v.due(ctx, k)
		if err != nil {
			return err
		}
		if !due {
			continue
		}
		if err := v.rotate(ctx, k.Row, why, ""); err != nil {
			var r *policy.Refusal
			if !errors.As(err, &r) {
				return err
			}
			slog.Warn("a secret was not rotated", "asset", k.Asset, "account", k.Account, "why", r.Why)
		}
	}
	return nil
}

// RotateNow replaces a secret at its machine at once, asked for by OT security with
// a code. While a window that used it runs, it is refused (in-use): a new one in the
// middle of somebody's work helps nobody. What the machine said is in the log and in List.
func (v *Vault) RotateNow(ctx context.Context, by people.Actor, asset policy.AssetName, account policy.AccountName) error {
	if _, err := v.Roster.MaySeal(ctx, by); err != nil {
		return err
	}
	row, err := v.row(ctx, asset, account)
	if err != nil {
		return err
	}
	a, ok := v.Plant().LoginOf(asset, account)
	if !ok || !a.Rotate.Is() || v.Machine == nil {
		return refuse("no-rotation", "The plant file does not say how the secret of %s on %s is replaced. Change it at the machine, then seal the new one.", account, asset)
	}
	for _, used := range row.Used {
		if !strings.HasPrefix(used, "W-") {
			continue
		}
		over, err := v.Over(ctx, policy.WindowID(used))
		if err != nil {
			return fmt.Errorf("whether %s is over: %w", used, err)
		}
		if !over {
			return refuse("in-use", "%s still runs with it. It is replaced by itself when that is over.", used)
		}
	}
	return v.rotate(context.WithoutCancel(ctx), row, "asked for", string(by.Person))
}

// due says whether a secret is to be rotated now, or a rotation to be finished.
func (v *Vault) due(ctx context.Context, k Known) (due bool, why string, err error) {
	if k.Tries > 0 && v.Now().Before(k.FailedAt.Add(min(lastAgain, firstAgain<<min(k.Tries-1, 10)))) {
		return false, "", nil
	}
	if !k.Next.IsZero() {
		return true, "begun and not finished", nil
	}
	if !k.Rotate || len(k.Used) == 0 {
		return false, "", nil
	}
	for _, used := range k.Used {
		if !strings.HasPrefix(used, "W-") {
			continue
		}
		if over, err := v.Over(ctx, policy.WindowID(used)); err != nil || !over {
			return false, "", err
		}
	}
	last := k.Used[len(k.Used)-1]
	if strings.HasPrefix(last, "W-") {
		last += " is over"
	}
	return true, last, nil
}

// rotate is the two phases: what is new is durable, then the target is told,
// then it must log in, and only then the old one is given up. A row with Next is
// one that was told, or may have been. by is who asked for it; empty: it was due.
func (v *Vault) rotate(ctx context.Context, row Row, why, by string) error {
	v.rotating.Lock()
	defer v.rotating.Unlock()
	row, err := v.row(ctx, policy.AssetName(row.Asset), policy.AccountName(row.Account))
	if err != nil {
		return err
	}
	account, ok := v.Plant().LoginOf(policy.AssetName(row.Asset), policy.AccountName(row.Account))
	if !ok || string(account.Login) != row.Kind {
		return refuse("no-secret-wanted", "The plant file has no such login for %s on %s any more. Have the account written there, or seal a secret of the kind that it says.", row.Account, row.Asset)
	}
	ctx, cancel := context.WithTimeout(ctx, oneRotation)
	defer cancel()
	old, err := v.open(ctx, row, row.Document)
	if err != nil {
		return err
	}
	defer clear(old)
	if row.Next.IsZero() {
		return v.begin(ctx, row, account, old, why, by)
	}
	next, err := v.open(ctx, row, row.Next)
	if err != nil {
		return err
	}
	defer clear(next)
	return v.finish(ctx, row, old, next, nil)
}

func (v *Vault) begin(ctx context.Context, row Row, account policy.Account, old Secret, why, by string) error {
	if !account.Rotate.Is() {
		return refuse("no-rotation", "The plant file does not say how the secret of %s on %s is replaced. Change it at the machine, then seal the new one.", row.Account, row.Asset)
	}
	next, public, err := fresh(account, old)
	if err != nil {
		return err
	}
	defer clear(next)
	document, err := v.seal(ctx, row, next)
	if err != nil {
		return err
	}
	err = v.commit(ctx, row, penstock, func(now Row) (audit.Body, error) {
		return audit.SecretRotating{Asset: row.Asset, Account: row.Account, From: row.Document, To: document, Public: public, Why: why, By: by, At: v.second()}, nil
	})
	if err != nil {
		return err
	}
	row.Next = document
	lines, err := fill(account, old, next)
	if err != nil {
		return err
	}
	told := v.Machine.Tell(ctx, policy.AssetName(row.Asset), policy.AccountName(row.Account), old, account.Rotate.Run, lines)
	return v.finish(ctx, row, old, next, told)
}

// finish asks the target which of the two it takes.
func (v *Vault) finish(ctx context.Context, row Row, old, next Secret, told error) error {
	asset, account := policy.AssetName(row.Asset), policy.AccountName(row.Account)
	err := v.Machine.Try(ctx, asset, account, next)
	if err == nil {
		return v.commit(ctx, row, penstock, func(Row) (audit.Body, error) {
			return audit.SecretRotated{Asset: row.Asset, Account: row.Account, Document: row.Next, At: v.second()}, nil
		})
	}
	if !saidNo(err) { // not reached: nobody knows; both stay, and Run asks again
		return v.kept(ctx, row, true, joined(told, err))
	}
	switch err := v.Machine.Try(ctx, asset, account, old); {
	case err == nil:
		return v.kept(ctx, row, false, joined(told, errors.New("the machine still takes the old secret")))
	default:
		return v.kept(ctx, row, true, joined(told, fmt.Errorf("the machine takes neither secret: %w", err)))
	}
}

func (v *Vault) kept(ctx context.Context, row Row, lost bool, why error) error {
	text := strings.ToValidUTF8(why.Error(), "")
	body := audit.SecretKept{Asset: row.Asset, Account: row.Account, Document: row.Document, Lost: lost, Why: text[:min(len(text), 500)], At: v.second()}
	body.Why = strings.ToValidUTF8(body.Why, "")
	// The two minutes at the target may be what failed: the log is written in any case.
	return v.commit(context.WithoutCancel(ctx), row, penstock, func(Row) (audit.Body, error) { return body, nil })
}

func joined(told, err error) error {
	if told == nil {
		return err
	}
	return fmt.Errorf("%w; then: %w", told, err)
}

func saidNo(err error) bool {
	var r *policy.Refusal
	return errors.As(err, &r) && r.Rule == "target-login"
}

// fresh makes a new secret of the old one's kind.
func fresh(account policy.Account, old Secret) (next Secret, public string, err error) {
	if account.Login == policy.LoginPassword {
		next = make(Secret, account.Rotate.Length)
		for i := range next {
			n, err := rand.Int(rand.Reader, big.NewInt(int64(len(letters))))
			if err != nil {
				return nil, "", fmt.Errorf("draw a password: %w", err)
			}
			next[i] = letters[n.Int64()]
		}
		return next, "", nil
	}
	was, err := ssh.ParsePrivateKey(old)
	if err != nil {
		return nil, "", errors.New("the sealed key cannot be read")
	}
	var key any
	if was.PublicKey().Type() == ssh.KeyAlgoRSA { // the machine may know no other
		key, err = rsa.GenerateKey(rand.Reader, 3072)
	} else {
		_, key, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		return nil, "", fmt.Errorf("make a key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		return nil, "", errors.New("a new key cannot be written down")
	}
	next = pem.EncodeToMemory(block)
	public, err = fits(policy.LoginKey, next)
	return next, public, err
}

// fill puts the secrets into the lines that the target is told; of keys their
// public halves, as authorized_keys has them.
func fill(account policy.Account, old, next Secret) ([]string, error) {
	from, to := string(old), string(next)
	if account.Login == policy.LoginKey {
		for _, half := range []*string{&from, &to} {
			k, err := ssh.ParsePrivateKey([]byte(*half))
			if err != nil {
				return nil, errors.New("the sealed key cannot be read")
			}
			*half = strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k.PublicKey()))) + " penstock"
		}
	}
	put := strings.NewReplacer("{account}", string(account.Name), "{old}", from, "{new}", to)
	out := make([]string, len(account.Rotate.Lines))
	for i, l := range account.Rotate.Lines {
		out[i] = put.Replace(l)
	}
	return out, nil
}
