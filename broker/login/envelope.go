package login

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io/fs"
	"net/netip"
	"strings"

	"golang.org/x/crypto/ssh"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/policy"
)

// Paper is what somebody types from the sealed envelopes. Second is empty for the
// control room's alone; OT security's way back in needs both.
type Paper struct {
	Says          string // who they are, by their own word
	First, Second string // codes
}

// errPaper is the one answer for codes that open nothing.
func errPaper(why string) error {
	return &policy.Refusal{Rule: "envelope-code", Why: why,
		Say: "This opens no envelope: mistyped, or one that was replaced. Read it again, sign by sign; the number of the envelope stands on it."}
}

// Envelope makes the actor of whoever holds what was in a sealed envelope, and
// the key that follows from it, with which alone they answer. It is an event and
// an alarm before it is anything else; a code opens once, and counts for
// evidence.EnvelopeGood. It needs nothing but this process and its disk. Errors:
// *policy.Refusal, else a fault.
func (p *Proofs) Envelope(ctx context.Context, from netip.Addr, paper Paper) (people.Actor, ed25519.PrivateKey, error) {
	if err := paper.readable(); err != nil { // somebody with a pencil: no guess at a code of 128 bits
		return people.Actor{}, nil, err
	}
	if err := p.slow.enter(ctx, "envelope", from); err != nil {
		p.refused(ctx, "envelope", from, "throttled")
		return people.Actor{}, nil, err
	}
	a, key, err := p.paper(ctx, from, paper)
	var r *policy.Refusal
	if errors.As(err, &r) {
		p.refused(ctx, "envelope", from, r.Rule+": "+r.Why)
	}
	if err != nil {
		return people.Actor{}, nil, err
	}
	p.slow.right("envelope", from)
	return a, key, nil
}

// codes are those that were typed, by envelope; all must fit before any is opened.
func (p Paper) codes() [][2]string {
	codes := [][2]string{{evidence.EnvelopeRoom, p.First}}
	if strings.TrimSpace(p.Second) != "" {
		codes = append(codes, [2]string{evidence.EnvelopeSecurity, p.Second})
	}
	return codes
}

// readable: a name, and codes without a slip of the pencil.
func (p Paper) readable() error {
	says := strings.TrimSpace(p.Says)
	if says == "" || len(says) > 80 || evidence.CheckText("name", says, 80) != nil {
		return &policy.Refusal{Rule: "envelope-name", Say: "Say who you are: the alarm and the record carry your name.", Why: "no name"}
	}
	for _, c := range p.codes() {
		if _, err := evidence.EnvelopeKey(c[0], c[1]); err != nil {
			return &policy.Refusal{Rule: "envelope-code", Say: "Look again at the code of " + evidence.EnvelopeTitle(c[0]) + ": " + err.Error() + ".", Why: err.Error()}
		}
	}
	return nil
}

func (p *Proofs) paper(ctx context.Context, from netip.Addr, paper Paper) (a people.Actor, key ed25519.PrivateKey, err error) {
	codes := paper.codes()
	var keys []ed25519.PrivateKey
	for _, c := range codes {
		k, err := p.fitsPaper(ctx, policy.PersonID(c[0]), c[1])
		if err != nil {
			return a, nil, err
		}
		keys = append(keys, k)
	}
	source := "local"
	if from.IsValid() {
		source = from.Unmap().String()
	}
	var e people.Envelope
	for i, c := range codes {
		key = keys[i]
		e, err = p.envelopes.OpenEnvelope(ctx, policy.PersonID(c[0]), printOf(key), strings.TrimSpace(paper.Says), source)
		if errors.Is(err, fs.ErrNotExist) {
			err = errPaper("replaced in this moment")
		}
		if err != nil {
			return a, nil, err
		}
	}
	a = people.Actor{Person: e.ID, Firm: e.Firm, Roles: []policy.Role{e.Role}, Proofs: []people.KeyKind{people.PaperCode}, At: p.now(), Key: e.Key, Source: from}
	a, err = p.admit(ctx, a)
	return a, key, err
}

// fitsPaper is the key of a code, if it is that of the envelope as it is sealed.
func (p *Proofs) fitsPaper(ctx context.Context, id policy.PersonID, code string) (ed25519.PrivateKey, error) {
	key, err := evidence.EnvelopeKey(string(id), code)
	if err != nil {
		return nil, errPaper(err.Error())
	}
	all, err := p.envelopes.Envelopes(ctx)
	if err != nil {
		return nil, err
	}
	for _, e := range all {
		if e.ID == id && e.Key == printOf(key) {
			return key, nil
		}
	}
	return nil, errPaper("no such key of " + string(id))
}

func printOf(key ed25519.PrivateKey) string {
	pub, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		return "" // fits nothing
	}
	return ssh.FingerprintSHA256(pub)
}

// envelopes is what login asks of people.Roster about them.
type envelopes interface {
	Envelopes(context.Context) ([]people.Envelope, error)
	// OpenEnvelope is durable on return; fs.ErrNotExist if it holds another key now.
	OpenEnvelope(ctx context.Context, id policy.PersonID, key, says, source string) (people.Envelope, error)
}
