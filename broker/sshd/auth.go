package sshd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"time"

	glider "github.com/gliderlabs/ssh"
	"golang.org/x/crypto/ssh"

	"penstock/approvals/people"
	"penstock/broker/ca"
	"penstock/policy"
)

// caller is who has proven what: a closed set, in Permissions.ExtraData. It is
// made only in proven and in the steps that proven hands on to.
type caller interface{ caller() }

type (
	joiner struct { // brought a key under an invitation
		person people.Person
		print  string
	}
	clerk struct { // desk@
		actor people.Actor
		key   ssh.PublicKey
	}
	certifier struct { // cert@, key and code
		actor people.Actor
		key   ssh.PublicKey
	}
	vendor struct { // by certificate
		claim   ca.Claim
		jump    bool
		account policy.AccountName
		asset   policy.AssetName
	}
)

func (joiner) caller()    {}
func (zoneAgent) caller() {}
func (clerk) caller()     {}
func (certifier) caller() {}
func (*vendor) caller()   {}

type callerKey struct{}

func as(c caller) *ssh.Permissions {
	return &ssh.Permissions{ExtraData: map[any]any{callerKey{}: c}}
}

// callerOf is nil where authentication did not make a caller: nothing is served then.
func callerOf(sc *ssh.ServerConn) caller {
	if sc.Permissions == nil {
		return nil
	}
	c, _ := sc.Permissions.ExtraData[callerKey{}].(caller)
	return c
}

var (
	errDenied = errors.New("not accepted")
	errNobody = errors.New("nobody has enrolled this key")
)

// config is made fresh for each connection: gliderlabs and x/crypto write into it.
func (d *Door) config(ctx glider.Context) *ssh.ServerConfig {
	c := connOf(ctx)
	if c == nil {
		panic("ssh door: a connection without greeting")
	}
	cfg := &ssh.ServerConfig{
		Config:                  algorithms(),
		PublicKeyAuthAlgorithms: keyAlgorithms(),
		MaxAuthTries:            maxTries,
		ServerVersion:           serverVersion,
		// gliderlabs sets NoClientAuth where it knows of no handler: this is what refuses "none".
		NoClientAuthCallback: func(ssh.ConnMetadata) (*ssh.Permissions, error) { return nil, errDenied },
		PublicKeyCallback: func(m ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
			perms, err := d.offered(c, m, k)
			if err != nil {
				why := fmt.Sprintf("user %q: %v", clean(m.User(), 64), err)
				c.lastWhy.Store(&why)
			}
			return perms, err
		},
		VerifiedPublicKeyCallback: func(m ssh.ConnMetadata, k ssh.PublicKey, p *ssh.Permissions, _ string) (*ssh.Permissions, error) {
			perms, err := d.proven(c, m, k, p)
			var partial *ssh.PartialSuccessError
			if err != nil && !errors.As(err, &partial) {
				why := fmt.Sprintf("user %q, key %s proven: %v", clean(m.User(), 64), ssh.FingerprintSHA256(plain(k)), err)
				c.lastWhy.Store(&why)
			}
			return perms, err
		},
		AuthLogCallback: func(_ ssh.ConnMetadata, _ string, err error) {
			if err == nil {
				c.authenticated()
			}
		},
	}
	host, err := d.CA.HostSigner(c.ctx, d.Names...)
	if err != nil { // the plain host key is still there
		d.Slog.Error("host certificate", "err", err)
	} else {
		cfg.AddHostKey(host)
	}
	if d.spoil != nil {
		d.spoil(cfg)
	}
	return cfg
}

// plain is the key inside a certificate, or the key.
func plain(k ssh.PublicKey) ssh.PublicKey {
	if cert, ok := k.(*ssh.Certificate); ok {
		return cert.Key
	}
	return k
}

func authorized(k ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k)))
}

// offered is asked about keys that are not proven yet, and perhaps never: it
// has no side effect but the text of one banner.
func (d *Door) offered(c *conn, m ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
	u, err := parseUser(m.User())
	if err != nil {
		return nil, c.banner(err, "That user name is not known here. Names are join, desk, cert and PERSON+ACCOUNT+ASSET, for example ann+maint+filler-plc.")
	}
	cert, isCert := k.(*ssh.Certificate)
	switch u.way {
	case wayJoin, wayAgent:
		if isCert {
			return nil, errors.New("a certificate where an invitation asks for a key")
		}
		return &ssh.Permissions{}, nil
	case wayDesk, wayCert:
		if _, err := d.actor(c, k); err != nil {
			return nil, d.waiting(c, k, err)
		}
		return &ssh.Permissions{}, nil
	}
	if !isCert {
		return nil, d.plainKey(c, u, k)
	}
	_, perms, err := d.CA.CheckVendor(m, u.person, cert)
	if err != nil {
		var r *policy.Refusal
		say := "This certificate is not good here."
		if errors.As(err, &r) && r.Say != "" {
			say = r.Say
		}
		return nil, c.banner(err, say+" Get a new one: "+d.Clerk.CertLine())
	}
	if networks := perms.CriticalOptions[sourceAddress]; !within(networks, c.source) {
		return nil, c.banner(fmt.Errorf("a certificate for networks %s", networks),
			fmt.Sprintf("This certificate holds only for connections from %s, and you come from %s. Connect from there, or ask the plant to add your network.", networks, c.source))
	}
	return perms, nil
}

const sourceAddress = "source-address" // OpenSSH PROTOCOL.certkeys, critical options

// within says whether a source-address list has room for an address. x/crypto
// holds callers to the same list after the callback, but neither the person nor
// the log would read why. What cannot be read has room for nobody.
func within(networks string, a netip.Addr) bool {
	for word := range strings.SplitSeq(networks, ",") {
		if p, err := netip.ParsePrefix(word); err == nil && p.Contains(a.Unmap()) {
			return true
		}
	}
	return false
}

// actor finds who has enrolled the key, or the key inside a certificate; what
// the certificate itself says counts for nothing here.
func (d *Door) actor(c *conn, k ssh.PublicKey) (people.Actor, error) {
	ctx, cancel := context.WithTimeout(c.ctx, 5*time.Second)
	defer cancel()
	a, err := d.Proofs.SSHKey(ctx, c.source, authorized(plain(k)))
	if errors.Is(err, fs.ErrNotExist) {
		return people.Actor{}, errNobody
	}
	return a, err
}

// waiting says to whoever has joined, and comes again before their key was
// confirmed, what it waits for. That a key is known shows by its being taken, too.
func (d *Door) waiting(c *conn, k ssh.PublicKey, err error) error {
	ctx, cancel := context.WithTimeout(c.ctx, 5*time.Second)
	defer cancel()
	if !errors.Is(err, errNobody) || !d.Roster.KeyWaits(ctx, authorized(plain(k))) {
		return err
	}
	return c.banner(err, "Your key is here, and waits for your sponsor at the plant to confirm it. Ring them up and tell them its fingerprint, "+ssh.FingerprintSHA256(plain(k))+"; then come again.")
}

// plainKey refuses a plain key as a person. Stock clients offer it before the
// certificate, so the sentence comes only to a key of that person for which
// this broker has given out no certificate that still runs.
func (d *Door) plainKey(c *conn, u userName, k ssh.PublicKey) error {
	err := errors.New("a plain key as a person; certificates only")
	if a, wrong := d.actor(c, k); wrong != nil || a.Person != u.person || d.CA.Running(k) {
		return err
	}
	return c.banner(err, "You need today's certificate. Get it, then come again: "+d.Clerk.CertLine())
}

// banner shows a sentence to the person, once in a connection.
func (c *conn) banner(err error, say string) error {
	if !c.bannered.CompareAndSwap(false, true) {
		return err
	}
	return &ssh.BannerError{Err: err, Message: "Penstock: " + say + "\r\n"}
}

// proven is called after the signature was verified, with the user name that
// was signed: here it is decided who the caller is.
func (d *Door) proven(c *conn, m ssh.ConnMetadata, k ssh.PublicKey, offered *ssh.Permissions) (*ssh.Permissions, error) {
	u, err := parseUser(m.User())
	if err != nil {
		return nil, err
	}
	cert, isCert := k.(*ssh.Certificate)
	switch u.way {
	case wayJoin:
		if isCert {
			return nil, errDenied
		}
		return nil, d.thenInvitation(c, k)
	case wayAgent:
		if isCert {
			return nil, errDenied
		}
		return d.agentProven(c, k)
	case wayDesk, wayCert:
		a, err := d.actor(c, k)
		if err != nil {
			return nil, err
		}
		if u.way == wayCert && a.Machine { // it has no second factor: what its certificate is for holds it to key and network
			return as(certifier{a, plain(k)}), nil
		}
		if u.way == wayCert {
			return nil, d.thenCode(c, a, plain(k))
		}
		return as(clerk{a, plain(k)}), nil
	}
	if !isCert || offered == nil {
		return nil, errDenied
	}
	claim, fresh, err := d.CA.CheckVendor(m, u.person, cert)
	if err != nil {
		return nil, err
	}
	// A key that was replaced or taken away since takes its certificates with it.
	if a, err := d.actor(c, k); err != nil || a.Person != u.person {
		return nil, fmt.Errorf("the certified key is not %s's any more: %w", u.person, errors.Join(err, errDenied))
	}
	perms := as(&vendor{claim: claim, jump: u.way == wayJump, account: u.account, asset: u.asset})
	perms.CriticalOptions, perms.Extensions = fresh.CriticalOptions, fresh.Extensions // x/crypto holds source-address to these
	return perms, nil
}

// thenCode asks for the second factor while authentication lasts: the prompt
// reaches the terminal also where stdout is a file.
func (d *Door) thenCode(c *conn, a people.Actor, key ssh.PublicKey) error {
	ask := func(_ ssh.ConnMetadata, challenge ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
		text := ""
		for c.codes.Load() < maxCodes {
			code, err := answer(challenge, text, "Code from your generator: ")
			if err != nil {
				return nil, err
			}
			stepped, err := d.Proofs.Code(c.ctx, a, code)
			if err == nil {
				return as(certifier{stepped, key}), nil
			}
			c.codes.Add(1)
			text = d.words(err, "person", a.Person)
			if rule, _ := ruleOf(err); rule == "no-code-generator" || rule == "login-wait" || rule == "fault" {
				why := "second factor: " + err.Error()
				c.lastWhy.Store(&why)
				return nil, c.lastWord(err, text)
			}
		}
		if text == "" { // asked again after the last word
			return nil, errDenied
		}
		why := fmt.Sprintf("person %s: %d wrong codes", a.Person, maxCodes)
		c.lastWhy.Store(&why)
		return nil, c.lastWord(errDenied, text)
	}
	c.patient()
	return &ssh.PartialSuccessError{Next: ssh.ServerAuthCallbacks{KeyboardInteractiveCallback: ask}}
}

// thenInvitation shows the key that was proven and asks for the code.
func (d *Door) thenInvitation(c *conn, k ssh.PublicKey) error {
	print := ssh.FingerprintSHA256(k)
	return d.thenCodeOf(c, "Your key is "+print+"\nIt will be yours here once your sponsor has confirmed it.", func(code string) (*ssh.Permissions, error) {
		who, err := d.Roster.Join(c.ctx, code, authorized(k))
		if err != nil {
			return nil, err
		}
		return as(joiner{who, print}), nil
	})
}

// thenCodeOf asks for an invitation's code, which take judges; each code is a guess.
func (d *Door) thenCodeOf(c *conn, text string, take func(code string) (*ssh.Permissions, error)) error {
	ask := func(_ ssh.ConnMetadata, challenge ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
		text := text
		for c.codes.Load() < maxCodes {
			code, err := answer(challenge, text, "Code of your invitation: ")
			if err != nil {
				return nil, err
			}
			if !c.quiet && !d.sources.guess(c.source) {
				return nil, c.lastWord(errDenied, "Too many codes from here. Wait a minute and try again.")
			}
			perms, err := take(code)
			if err == nil {
				return perms, nil
			}
			c.codes.Add(1)
			text = d.words(err)
			rule, why := ruleOf(err)
			said := "invitation: " + rule + ": " + why
			c.lastWhy.Store(&said)
			if c.codes.Load() >= maxCodes {
				return nil, c.lastWord(errDenied, text)
			}
		}
		return nil, errDenied
	}
	c.patient()
	return &ssh.PartialSuccessError{Next: ssh.ServerAuthCallbacks{KeyboardInteractiveCallback: ask}}
}

// answer asks one question; what comes back is bounded.
func answer(challenge ssh.KeyboardInteractiveChallenge, text, prompt string) (string, error) {
	answers, err := challenge("", text, []string{prompt}, []bool{true})
	if err != nil {
		return "", fmt.Errorf("ask for a code: %w", err)
	}
	if len(answers) != 1 || len(answers[0]) > 128 {
		return "", errors.New("ask for a code: one short answer was expected")
	}
	return strings.TrimSpace(answers[0]), nil
}

// lastWord ends the guessing in this connection: stock clients would ask for
// the same again, and each try there is a guess here.
func (c *conn) lastWord(err error, say string) error {
	c.codes.Store(maxCodes)
	c.bannered.Store(true)
	return &ssh.BannerError{Err: err, Message: "Penstock: " + say + "\r\n"}
}
