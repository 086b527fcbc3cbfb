package dial

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	"penstock/broker/vault"
	"penstock/policy"
)

// Bounds of what a target may ask in keyboard-interactive.
const (
	maxRounds  = 8
	maxPrompts = 8 // in one round
)

// credential proves the broker to one target as one account.
type credential struct {
	by      policy.LoginBy
	methods []ssh.AuthMethod

	mu      sync.Mutex
	given   []string // secrets that this machine was told
	refusal error    // why a login that was under way was left: said in place of x/crypto's words
}

func (c *credential) refuse(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refusal == nil {
		c.refusal = err
	}
	return err
}

func (c *credential) refused() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refusal
}

// gave notes what the machine is about to hear.
func (c *credential) gave(s vault.Secret) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(s) > 0 {
		c.given = append(c.given, string(s))
	}
}

// clean takes out of a machine's words what it was told itself: its prompts,
// banners and last words go to logs and recordings. Before anything is cut off.
func (c *credential) clean(text string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.given {
		text = strings.ReplaceAll(text, s, "(its secret)")
	}
	return text
}

// forget lets go of keys and secrets once the machine has let the broker in:
// x/crypto keeps what it logged in with as long as the connection, for nothing.
func (c *credential) forget() {
	clear(c.methods) // the slice is x/crypto's too
	c.mu.Lock()
	defer c.mu.Unlock()
	c.given = nil
}

// credential makes what one leg logs in with. A certificate's event is durable
// on return; a secret is opened, and its use is in the log, only once the target
// has shown its pinned key and asks.
func (d *Dialer) credential(ctx context.Context, l leg) (*credential, error) {
	c := &credential{by: l.login.By}
	switch l.login.By {
	case policy.LoginCertificate:
		if l.login.Principal == "" {
			return nil, &policy.Refusal{Rule: "no-principal", Say: "the plant file does not say how to log in there; call OT security", Why: "the decision has no principal"}
		}
		signer, err := d.sign(ctx, l)
		if err != nil {
			return nil, fmt.Errorf("certificate for the target: %w", err)
		}
		c.methods = []ssh.AuthMethod{ssh.PublicKeys(signer)}
	case policy.LoginKey, policy.LoginPassword:
		if d.Secrets == nil {
			return nil, noSecret(l, errors.New("this broker has no vault"))
		}
		c.methods = c.sealed(ctx, d.Secrets, l)
	default:
		return nil, fmt.Errorf("no way to log in by %q", l.login.By)
	}
	return c, nil
}

func (d *Dialer) sign(ctx context.Context, l leg) (ssh.Signer, error) {
	switch {
	case l.whose.errand != "":
		return d.CA.SignErrand(ctx, l.login.Principal, l.whose.keyID, l.whose.errand, l.host, l.whose.early)
	case l.host:
		return d.CA.SignHop(ctx, l.login.Principal, l.whose.keyID, l.whose.session, l.whose.channel)
	}
	return d.CA.SignTarget(ctx, l.login.Principal, l.whose.keyID, l.whose.session, l.whose.channel)
}

// sealed answers by the vault's secrets. While one is being rotated there are
// two, and a crash may have come between: the newer is tried first.
func (c *credential) sealed(ctx context.Context, from Secrets, l leg) []ssh.AuthMethod {
	tries := 0
	next := func() (vault.Secret, error) {
		all, err := from.Use(ctx, l.use())
		if err == nil && len(all) == 0 {
			err = errors.New("none is kept")
		}
		if err != nil {
			return vault.Secret{}, c.refuse(noSecret(l, err))
		}
		one := all[min(tries, len(all)-1)]
		tries++
		c.gave(one)
		return one, nil
	}
	const most = 2 // secrets of one account
	switch {
	case l.login.By == policy.LoginKey:
		return []ssh.AuthMethod{ssh.PublicKeysCallback(func() ([]ssh.Signer, error) {
			all, err := from.Use(ctx, l.use())
			if err != nil {
				return nil, c.refuse(noSecret(l, err))
			}
			return signers(all, l.old)
		})}
	case len(l.login.Prompts) > 0:
		rounds := 0
		return []ssh.AuthMethod{ssh.RetryableAuthMethod(ssh.KeyboardInteractive(func(_, _ string, questions []string, echos []bool) ([]string, error) {
			if rounds++; rounds > maxRounds || len(questions) > maxPrompts {
				return nil, c.refuse(&policy.Refusal{Rule: "target-prompt", Say: "the machine asks too much at its login; call OT security",
					Why: fmt.Sprintf("round %d with %d prompts", rounds, len(questions))})
			}
			return c.answers(l, questions, echos, next)
		}), most)}
	}
	return []ssh.AuthMethod{ssh.RetryableAuthMethod(ssh.PasswordCallback(func() (string, error) {
		s, err := next()
		return string(s), err
	}), most)}
}

// answers gives each prompt what the plant file says. One that it does not name
// ends the login: a hostile machine could ask for anything.
func (c *credential) answers(l leg, questions []string, echos []bool, secret func() (vault.Secret, error)) ([]string, error) {
	var out []string
	for i, q := range questions {
		n := slices.IndexFunc(l.login.Prompts, func(p policy.Prompt) bool { return p.Fits(q) })
		if n < 0 {
			return nil, c.refuse(&policy.Refusal{Rule: "target-prompt", Say: "the machine asks something at its login that the plant file does not know; call OT security",
				Why: "no prompt of the plant file fits " + strconv.Quote(short(c.clean(q)))})
		}
		switch give := l.login.Prompts[n].Give; {
		case give == policy.GiveNothing:
			out = append(out, "")
		case give == policy.GiveAccount:
			out = append(out, string(l.account))
		case i < len(echos) && echos[i]:
			return nil, c.refuse(&policy.Refusal{Rule: "target-prompt", Say: "the machine would show what it is told at its login; call OT security",
				Why: "it echoes the answer to " + strconv.Quote(short(c.clean(q)))})
		default:
			s, err := secret()
			if err != nil {
				return nil, err
			}
			out = append(out, string(s))
		}
	}
	return out, nil
}

// signers reads private keys. SHA-1 signatures are made only where the asset's
// exception says ssh-rsa.
func signers(all []vault.Secret, old []string) ([]ssh.Signer, error) {
	var out []ssh.Signer
	for _, s := range all {
		k, err := ssh.ParsePrivateKey(s)
		if err != nil {
			return nil, errors.New("a sealed key cannot be read") // x/crypto's words could hold some of it
		}
		if k.PublicKey().Type() == ssh.KeyAlgoRSA && !slices.Contains(old, ssh.KeyAlgoRSA) {
			if k, err = ssh.NewSignerWithAlgorithms(k.(ssh.AlgorithmSigner), []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}); err != nil {
				return nil, fmt.Errorf("a sealed key: %w", err)
			}
		}
		out = append(out, k)
	}
	return out, nil
}

func noSecret(l leg, err error) error {
	return &policy.Refusal{Rule: "no-secret", Say: "the plant has not sealed a secret for this account, or it cannot be opened; call OT security",
		Why: fmt.Sprintf("secret of %s on %s: %s", l.account, l.asset, err)}
}

// loginFailed is the refusal for a target that did not let the broker in.
func loginFailed(l leg, c *credential, err error) error {
	if why := l.way.Look(); why != nil {
		return why
	}
	if why := c.refused(); why != nil {
		return why
	}
	text := err.Error()
	say, rule := "the machine did not complete the SSH handshake; ask the plant", "target-handshake"
	switch {
	case strings.Contains(text, "unable to authenticate"):
		rule, say = "target-login", "the machine does not accept Penstock's "+c.by.String()+" for this account; call OT security"
	case strings.Contains(text, "no common algorithm for host key"):
		rule, say = "target-host-key", "the machine does not show a key of the kind that the plant pinned; do not go on, call OT security"
	case strings.Contains(text, "no common algorithm"):
		rule, say = "target-old-ssh", "the machine speaks only old SSH, which the plant file does not allow for it; call OT security"
	}
	return &policy.Refusal{Rule: rule, Say: say, Why: l.named() + "handshake with the target: " + short(c.clean(text))}
}
