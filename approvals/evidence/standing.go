package evidence

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"penstock/audit"
	"penstock/policy"
)

// MaxStanding is the longest span of a standing agreement; its frame in the plant
// file may end it earlier.
const MaxStanding = MaxPatternTime

// maxMachineNetworks bounds whence one machine comes.
const maxMachineNetworks = 8

// Bound is what a standing agreement holds a machine to, in the text that people
// sign: its frame in the plant file, its one key, who answers for it, and whence
// it comes. The zero value is of a request for people.
type Bound struct {
	Frame    string   `json:"frame"`    // name of the pattern in the plant file
	Key      string   `json:"key"`      // SHA256:…, of the key that counted at the asking
	Keeper   string   `json:"keeper"`   // a person of the firm; with them it ends
	Networks []string `json:"networks"` // sorted, masked
}

// Is says whether there is anything of a machine.
func (b Bound) Is() bool {
	return b.Frame != "" || b.Key != "" || b.Keeper != "" || len(b.Networks) > 0
}

// IsZero is for omitzero.
func (b Bound) IsZero() bool { return !b.Is() }

func (b Bound) equal(o Bound) bool {
	return b.Frame == o.Frame && b.Key == o.Key && b.Keeper == o.Keeper && slices.Equal(b.Networks, o.Networks)
}

// Prefixes are the networks as policy has them; what does not read has room for nobody.
func (b Bound) Prefixes() []netip.Prefix { return prefixes(b.Networks) }

// Policy is the same for Decide.
func (b Bound) Policy() policy.Standing {
	return policy.Standing{Frame: b.Frame, Key: b.Key, Networks: b.Prefixes()}
}

func (b Bound) check() error {
	err := errors.Join(name("machine.frame", b.Frame), id("machine.keeper", b.Keeper), between("number of machine.networks", len(b.Networks), 1, maxMachineNetworks))
	if !strings.HasPrefix(b.Key, "SHA256:") || len(b.Key) > maxName {
		err = errors.Join(err, fmt.Errorf("machine.key: %q is no fingerprint", short(b.Key)))
	}
	for i, n := range b.Networks {
		p, bad := netip.ParsePrefix(n)
		switch {
		case bad != nil || p.Masked() != p || p.String() != n || p.Bits() == 0:
			err = errors.Join(err, fmt.Errorf("machine.networks[%d]: %q is no network such as 198.51.100.7/32", i, short(n)))
		case i > 0 && b.Networks[i-1] >= n:
			err = errors.Join(err, fmt.Errorf("machine.networks[%d]: not after the one before: sorted, each once", i))
		}
	}
	return err
}

// machine: a standing agreement is for one machine, bound; and only it is.
func (r Request) machine() error {
	if r.Kind != Machine {
		if r.Machine.Is() {
			return errors.New("machine: belongs to a standing agreement, and only to it")
		}
		return nil
	}
	err := r.Machine.check()
	if len(r.People) != 1 || r.Called || r.Outage != "" || len(r.FileHashes) > 0 || !r.Pattern.IsZero() || !r.Red.IsZero() {
		err = errors.Join(err, errors.New("a standing agreement is for one machine; it is no call-in, stands on no outage's list, under no pattern, names no files and has no red item"))
	}
	if slices.Contains(r.People, r.Machine.Keeper) {
		err = errors.Join(err, errors.New("machine.keeper: is the machine itself"))
	}
	return err
}

func (w WindowClaim) machine() error {
	if w.Machine.IsZero() {
		return nil
	}
	return w.Machine.check()
}

// spanOf is span, within what the kind allows.
func spanOf(machine bool, from, to time.Time, minutes int) error {
	if machine {
		return spanWithin(MaxStanding, from, to, minutes)
	}
	return span(from, to, minutes)
}

// standingQuorum is who has to agree to a standing agreement.
func standingQuorum(plant *policy.Plant, r Request, set policy.Rights) (policy.Quorum, error) {
	_, assets := r.ways()
	slices.Sort(assets)
	return plant.StandingQuorum(r.Machine.Frame, slices.Compact(assets), set, r.To)
}

// confirms holds a confirmation of a standing agreement to its length: each time
// from when it is given. Of other windows the whole counts, from the opening.
func (j *judge) confirms(a Answer, opened time.Time) {
	from, since := opened, "the opening"
	if j.request.Kind == Machine {
		from, since = a.At, "it was given"
	}
	j.must(a.Until.Sub(from) <= j.quorum.Longest, "its new end %s is more than %s after %s, the longest that the rules allow", clock(a.Until), j.quorum.Longest, since)
}

// machines: machines work by standing agreements, and nobody else does; by the
// key that counted, with a keeper of their firm.
func (w *Walk) machines(text Request) {
	for _, id := range text.People {
		p := w.known(id)
		if p == nil {
			continue // a finding already
		}
		w.must(p.machine == (text.Kind == Machine), "%s shall work, and is a machine: %t; the request is %s", id, p.machine, text.Kind)
		if text.Kind == Machine {
			k := p.key(text.Machine.Key)
			w.must(k != nil && k.kind == KeySSH && !k.pending, "it is bound to the key %s, which no earlier leaf confirms for %s", short(text.Machine.Key), id)
		}
	}
	if text.Kind == Machine {
		w.keeps(text.Machine, text.Firm)
		w.narrower(text.Machine, text.Firm)
	}
}

// narrower: a machine comes from networks of its firm alone, as they were when it
// was asked for. What the firm has later is held to where it comes from.
func (w *Walk) narrower(b Bound, of string) {
	f := w.firms[of]
	if f == nil || w.partial { // a finding already; a pack may leave out what the firm has
		return
	}
	for _, n := range b.Prefixes() {
		w.must(Inside(f.from(w.leaf.Wall), n), "it is bound to the network %s, which is none of %s", n, of)
	}
}

// keeps: whoever answers for a machine is a person of its firm who is here.
func (w *Walk) keeps(b Bound, firm string) {
	p := w.justKnown(b.Keeper)
	w.must(p != nil && p.firm == firm && !p.machine, "its keeper %s is nobody of %s who is here", short(b.Keeper), firm)
}

// certifiesMachine: a certificate on a standing agreement is for its one key.
func (w *Walk) certifiesMachine(b audit.CertIssued, v *window) {
	if m := v.claim.Machine; m.Is() {
		w.must(b.Key == m.Key, "%s stands for the key %s, and the certificate is for %s", v.claim.Window, short(m.Key), short(b.Key))
	}
}

// machineCame: from its own networks, with a keeper who is here.
func (w *Walk) machineCame(s *session, firm string, v *window) {
	m := v.claim.Machine
	if m.IsZero() {
		return
	}
	in := slices.ContainsFunc(m.Prefixes(), func(n netip.Prefix) bool { return n.Contains(s.source.Unmap()) })
	w.must(in, "%s stands for the networks %q, and it came from %s", v.claim.Window, m.Networks, s.source)
	w.keeps(m, firm)
}

// opensMachine says that nobody sits there.
func (w *Walk) opensMachine(b audit.WindowMoved, v *window) {
	if m := v.claim.Machine; m.Is() {
		w.noteHere("%s stands: the machine %q of the keeper %s, from %q, by the key %s, and no second factor; confirmed anew at %s or over", b.Window, v.claim.People, m.Keeper, m.Networks, m.Key, clock(b.Until))
	}
}
