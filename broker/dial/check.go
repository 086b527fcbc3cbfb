package dial

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"penstock/policy"
)

// Finding is one thing that a check looked at, in words. Do is what to do, a line
// each; none where nothing is missing.
type Finding struct {
	What string
	OK   bool
	Text string
	Do   []string
}

// Check says what is missing at a machine for the broker to log in as an account:
// whether it is reached, what it speaks, which keys it shows, and whether it
// takes the certificate or secret. It logs in and out, and does nothing there.
// The last finding that is not OK is why nobody gets in.
func (e *Errands) Check(ctx context.Context, asset policy.AssetName, account policy.AccountName) []Finding {
	plant := e.Plant()
	a, ok := plant.Asset(asset)
	port, by := a.Port("ssh")
	one, known := plant.LoginOf(asset, account)
	if !ok || !by || !known {
		return []Finding{{What: "plant file", Text: fmt.Sprintf("it has no account %s by ssh on %s", account, asset)}}
	}
	all := []Finding{{What: "plant file", OK: true, Text: fmt.Sprintf("%s is at %s port %d; the broker logs in as %s by %s", asset, a.Address, port.Number, account, one.Login)}}
	if hop := plant.Hop(asset); hop != nil {
		all[0].Text += fmt.Sprintf(", through %s as %s", hop.Asset, hop.Account)
	}
	shown, err := e.Scan(ctx, asset)
	if err != nil {
		return append(all, failed("reached", err))
	}
	all = append(all, Finding{What: "reached", OK: true, Text: "it answers and speaks SSH"}, e.speaks(port, shown), e.pinned(ctx, asset, port, shown))
	if slices.ContainsFunc(all, func(f Finding) bool { return !f.OK }) {
		return all
	}
	return append(all, e.enters(ctx, plant, asset, account))
}

func failed(what string, err error) Finding {
	f := Finding{What: what, Text: err.Error()}
	var r *policy.Refusal
	if errors.As(err, &r) {
		f.Text, f.Do = r.Say, []string{r.Why}
	}
	return f
}

// speaks compares what the machine cannot do without with the port's exception.
func (e *Errands) speaks(port policy.Port, shown Shown) Finding {
	var lacks []string
	for _, o := range shown.Old {
		if !slices.Contains(port.Old.Algorithms, o) {
			lacks = append(lacks, o)
		}
	}
	switch {
	case len(shown.Old) == 0 && port.Old.Is():
		return Finding{What: "algorithms", OK: true, Text: "it speaks SSH without the exception in the plant file: take old_algorithms out"}
	case len(shown.Old) == 0:
		return Finding{What: "algorithms", OK: true, Text: "it speaks SSH as it should be"}
	case len(lacks) == 0:
		return Finding{What: "algorithms", OK: true, Text: "it speaks old SSH only, by the exception in the plant file: " + strings.Join(shown.Old, ", ")}
	}
	return Finding{What: "algorithms", Text: "it speaks old SSH only, and the plant file does not allow " + strings.Join(lacks, ", "),
		Do: []string{"newer firmware is better; else at its ssh port, agreed by its owner and OT security:",
			"old_algorithms: {allow: [" + strings.Join(shown.Old, ", ") + "], why: …, owner: ot-security, review: YYYY-MM-DD}"}}
}

// pinned compares the keys that the machine shows with those that the plant pinned.
func (e *Errands) pinned(ctx context.Context, asset policy.AssetName, port policy.Port, shown Shown) Finding {
	if e.Keys != nil {
		if keys, err := e.Keys(ctx, asset); err == nil { // one that waits for a word is told of below
			port.HostKeys = keys
		}
	}
	var lines, prints []string
	for _, k := range shown.Keys {
		line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k)))
		if slices.Contains(port.HostKeys, line) {
			return Finding{What: "host key", OK: true, Text: "it shows the pinned key, " + printed(k)}
		}
		lines, prints = append(lines, line), append(prints, printed(k))
	}
	f := Finding{What: "host key", Text: "it is not pinned, so nobody gets in", Do: []string{"compare with the machine's own screen (ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub):"}}
	if len(port.HostKeys) > 0 {
		f.Text = "it shows another key than the plant pinned"
		f.Do = []string{"do not log in to it; find out why. If the machine was replaced or given new keys, compare with its own screen:"}
	}
	if f.Do = append(f.Do, prints...); len(lines) > 0 {
		f.Do = append(f.Do, "then, by a change of the plant file:", "host_keys: ["+lines[0]+"]")
	}
	return f
}

func printed(k ssh.PublicKey) string { return k.Type() + " " + ssh.FingerprintSHA256(k) }

// enters logs in and out.
func (e *Errands) enters(ctx context.Context, plant *policy.Plant, asset policy.AssetName, account policy.AccountName) Finding {
	l, hop, err := e.place(ctx, asset, account)
	if err != nil {
		return failed("login", err)
	}
	err = e.once(ctx, l, hop)
	if err == nil {
		return Finding{What: "login", OK: true, Text: fmt.Sprintf("it lets the broker in as %s by %s", account, l.login.By)}
	}
	f := failed("login", err)
	var r *policy.Refusal
	if !errors.As(err, &r) || r.Rule != "target-login" || strings.HasPrefix(r.Why, "on the way") {
		return f
	}
	switch l.login.By {
	case policy.LoginCertificate:
		return e.certificateRefused(ctx, l, hop, r)
	case policy.LoginKey:
		f.Do = []string{"put the public half of the sealed key into the account's authorized_keys, or seal another: penstock target secret set " + string(asset) + " " + string(account) + " --key-file FILE"}
	default:
		f.Do = []string{"seal the right one: penstock target secret set " + string(asset) + " " + string(account), "a machine that asks in keyboard-interactive needs prompts: at the account in the plant file"}
	}
	return f
}

// certificateRefused finds out what of a certificate the machine does not like,
// as far as somebody outside can see it.
func (e *Errands) certificateRefused(ctx context.Context, l leg, hop *policy.Hop, r *policy.Refusal) Finding {
	if !strings.Contains(r.Why, "publickey") {
		return Finding{What: "login", Text: "it takes no keys or certificates at all", Do: []string{"in its sshd_config: PubkeyAuthentication yes", "a machine that knows no certificates: login: password or login: key in the plant file"}}
	}
	late := l
	late.whose.early = true
	if e.once(ctx, late, hop) == nil {
		return Finding{What: "clock", Text: "its clock stands more than two minutes behind the broker's, so it takes a fresh certificate for one of tomorrow", Do: []string{"set its clock, or give it an NTP server"}}
	}
	return Finding{What: "login", Text: "it does not take the out certificate for " + l.login.Principal, Do: []string{
		"in its sshd_config: TrustedUserCAKeys /etc/ssh/penstock_ca.pub, with the out line of: penstock ca show",
		"in its sshd_config: AuthorizedPrincipalsFile /etc/ssh/principals/%u, and in principals/" + string(l.account) + " the line: " + l.login.Principal,
		"the account " + string(l.account) + " must be there, not be locked, and be let in by AllowUsers and PermitRootLogin",
		"its clock must not stand more than five minutes ahead of the broker's",
		"its own log says which: look for \"Certificate invalid\" (journalctl -u ssh)"}}
}

// once logs in and out again.
func (e *Errands) once(ctx context.Context, l leg, hop *policy.Hop) error {
	ctx, cancel := context.WithTimeout(ctx, errandTime)
	defer cancel()
	way := &errand{ctx: ctx}
	defer way.close()
	early := l.whose.early
	c, err := e.enter(ctx, way, "check", l, hop, nil, early)
	if err != nil {
		return err
	}
	_ = c.Close() // it let the broker in, whoever closes first
	return nil
}
