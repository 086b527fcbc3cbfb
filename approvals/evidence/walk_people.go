package evidence

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"

	"penstock/audit"
	"penstock/policy"
)

// What the leaves say of firms, persons, keys and invitations.
type firm struct {
	plant   bool
	sponsor string
	until   time.Time
	terms   audit.Hash // that each of its people accepts; zero: none
	days    int        // an acceptance is good

	networks []netip.Prefix // whence its people come
	before   []netip.Prefix // until changed, the wall of the newest leaf about it
	changed  time.Time
}

// from are the networks whence people of a firm came at this leaf, or just before.
func (f *firm) from(now time.Time) []netip.Prefix {
	if now.After(f.changed.Add(settleTime)) {
		return f.networks
	}
	return slices.Concat(f.networks, f.before)
}

// Inside says whether a network lies in one of these.
func Inside(networks []netip.Prefix, n netip.Prefix) bool {
	return slices.ContainsFunc(networks, func(own netip.Prefix) bool { return own.Bits() <= n.Bits() && own.Contains(n.Addr()) })
}

// prefixes are networks as leaves have them; what does not read has room for nobody.
func prefixes(list []string) (all []netip.Prefix) {
	for _, n := range list {
		if p, err := netip.ParsePrefix(n); err == nil {
			all = append(all, p)
		}
	}
	return all
}

type person struct {
	firm     string
	roles    []string
	held     []string // roles that were theirs once
	machine  bool
	disabled bool
	until    time.Time   // of an envelope that was opened: it counts so long; zero: of a person
	gone     time.Time   // when disabled
	end      audit.Place // the leaf that disabled them
	keys     []heldKey
	past     []heldKey // that were taken away, for answers given before
	first    heldKey   // of the bootstrap file
	accepted struct {
		terms audit.Hash
		until time.Time
	}
	training []policy.Training
}

// heldKey counts from since on, and until it was taken away; pending keys count
// for nothing, and what a broken one signs neither.
type heldKey struct {
	kind, id string
	public   []byte
	pending  bool
	by       string // who invited it
	broken   string // why nothing that it signs counts
	since    audit.Place
	until    audit.Place
}

// unvouched is what is wrong with a key that only the server enrolled.
const unvouched = "nobody with a key that counts has vouched for it"

type invitation struct {
	person, firm string
	roles        []string
	machine      bool
	by           string
	until        time.Time
	spent        bool
}

func (p *person) has(role string) bool { return slices.Contains(p.roles, role) }

func (p *person) key(id string) *heldKey {
	for i := range p.keys {
		if p.keys[i].id == id {
			return &p.keys[i]
		}
	}
	return nil
}

// known is a person who may act now: known to the log and not disabled.
func (w *Walk) known(id string) *person {
	p := w.people[id]
	if p == nil || p.disabled || !p.until.IsZero() && w.leaf.Wall.After(p.until.Add(settleTime)) {
		return nil
	}
	return p
}

// justKnown is known, or somebody who was disabled so recently that an event of
// theirs was on its way. The broker asks again before the next byte.
func (w *Walk) justKnown(id string) *person {
	p := w.people[id]
	if p == nil || p.disabled && w.leaf.Wall.After(p.gone.Add(settleTime)) {
		return nil
	}
	return p
}

// takenBy tells of a taking by somebody who was disabled before it was written:
// taking asks memory only and waits for nothing, and it gives nobody anything.
func (w *Walk) takenBy(id string) {
	if p := w.people[id]; p != nil && p.disabled {
		w.noteHere("%s, who did this, was disabled before it was written", id)
	}
}

// mayTake: whoever took access away was somebody of the plant with a shift, zone
// owner or OT security role, by the plant file in force; worker says that it
// may also be who works in the window. The broker asks memory only for this: a
// role that was taken away since the person signed in is told, not found wrong.
func (w *Walk) mayTake(id string, worker bool) {
	if IsKiosk(id) {
		w.kioskTakes(id)
		return
	}
	w.takenBy(id)
	p := w.people[id]
	if worker || !w.must(p != nil && w.ofPlant(p), "taken by %s, who is nobody of the plant", short(id)) {
		return
	}
	once := false
	for _, plant := range w.now() {
		if plant == nil || slices.ContainsFunc(p.roles, plant.Takes) {
			return
		}
		once = once || slices.ContainsFunc(p.held, plant.Takes)
	}
	if once {
		w.noteHere("%s, who did this, had held a role for it, and did not any more when it was written", id)
		return
	}
	w.must(false, "taken by %s, who holds no role for it", short(id))
}

// plantPerson says whether id is of the plant's own firm, may act now, and came in
// as themself.
func (w *Walk) plantPerson(id string) bool { return w.insider(id) && !IsEnvelope(id) }

// insider is plantPerson, also by an envelope that counts: for what takes access
// away, and for the way back in.
func (w *Walk) insider(id string) bool {
	p := w.known(id)
	return p != nil && w.ofPlant(p)
}

func (w *Walk) ofPlant(p *person) bool {
	f := w.firms[p.firm]
	return f != nil && f.plant
}

// created takes the first people from the bootstrap file.
func (w *Walk) created(b audit.LogCreated) {
	doc := w.document("bootstrap file", b.Bootstrap)
	if doc == nil {
		return
	}
	file, err := parseBootstrap(doc)
	if !w.must(err == nil, "the bootstrap file does not hold: %v", err) {
		return
	}
	for id, f := range file.Firms {
		w.firms[id] = &firm{plant: f.Plant, sponsor: f.Sponsor, until: lastDay(f.Until), networks: prefixes(f.Networks)}
	}
	for _, id := range slices.Sorted(maps.Keys(file.People)) {
		p := file.People[id]
		print, err := fingerprint(p.Key)
		w.must(err == nil, "the key of %s: %v", id, err)
		first := heldKey{kind: KeySSH, id: print, public: []byte(p.Key), since: w.leaf.Place()}
		w.people[id] = &person{firm: p.Firm, roles: p.Roles, first: first}
		w.hold(id, first)
	}
}

// hold gives a person a key. An ssh key or passkey is one person's for good.
func (w *Walk) hold(id string, k heldKey) {
	p := w.people[id]
	if k.kind == KeySSH || k.kind == KeyPasskey {
		w.must(!w.removed[k.id], "the key %s was taken away, and does not come back", k.id)
		owner, taken := w.owners[k.id]
		w.must(!taken || owner == id, "the key %s is %s's already", k.id, owner)
		w.owners[k.id] = id
	}
	w.drop(p, func(old heldKey) bool { return old.id == k.id }) // a new code generator leaves what the old one answered
	p.keys = append(p.keys, k)
}

func (w *Walk) firmChanged(b audit.FirmChanged) {
	w.must(w.plantPerson(b.By), "changed by %s, who is nobody of the plant", b.By)
	old := w.firms[b.Firm]
	w.must(old == nil || old.plant == b.Plant, "a firm does not become the plant, nor cease to be it")
	w.must(old != nil || !b.Plant, "a second plant firm")
	now := &firm{plant: b.Plant, sponsor: b.Sponsor, until: b.Until, terms: b.Terms, days: b.TermsDays, networks: prefixes(b.Networks), changed: w.leaf.Wall}
	if old != nil {
		now.before = old.networks
	}
	w.firms[b.Firm] = now
}

func (w *Walk) firmEnded(b audit.FirmEnded) {
	w.must(w.insider(b.By), "ended by %s, who is nobody of the plant", b.By)
	f := w.firms[b.Firm]
	if w.must(f != nil && !f.plant && (f.until.IsZero() || b.At.Before(f.until)), "the log knows no contract of %s that could end then", short(b.Firm)) {
		f.until = b.At
	}
}

func (w *Walk) personInvited(b audit.PersonInvited) {
	w.must(w.insider(b.By), "invited by %s, who is nobody of the plant", b.By)
	w.must(b.By != b.Person, "%s invited themself", b.By)
	w.must(w.firms[b.Firm] != nil, "of firm %s, which the log does not know", b.Firm)
	w.must(!b.Machine || w.firms[b.Firm] != nil && !w.firms[b.Firm].plant, "a machine of the plant is no vendor's")
	w.invited[b.Code] = &invitation{person: b.Person, firm: b.Firm, roles: b.Roles, machine: b.Machine, by: b.By, until: b.Until}
}

// judgePeople says whether the leaf was about people.
func (w *Walk) judgePeople() bool {
	switch b := w.leaf.Body.(type) {
	case audit.FirmChanged:
		w.firmChanged(b)
	case audit.FirmEnded:
		w.firmEnded(b)
	case audit.PersonInvited:
		w.personInvited(b)
	case audit.PersonJoined:
		w.joined(b)
	case audit.PersonConfirmed:
		w.confirmed(b)
	case audit.PersonChanged:
		w.changed(b)
	case audit.PersonDisabled:
		if p := w.people[b.Person]; w.must(p != nil, "the log does not know %s", b.Person) {
			p.disabled, p.gone = true, w.leaf.Wall
			p.end = w.leaf.Place()
		}
	case audit.AccountLinked: // it signs in, and signs nothing
		w.must(w.plantPerson(b.By), "linked by %s, who is nobody of the plant", short(b.By))
		w.must(b.By != b.Person, "%s linked their own account", short(b.Person))
		w.must(w.plantPerson(b.Person), "%s, whose account it is, is nobody of the plant", short(b.Person))
		owner, taken := w.owners[b.Key]
		w.must(!taken || owner == b.Person, "the account %s is %s's already", short(b.Key), owner)
		w.owners[b.Key] = b.Person
	case audit.TermsAccepted:
		w.termsAccepted(b)
	case audit.TrainingNoted:
		w.trainingNoted(b)
	case audit.EndingTold: // a word to people; it gives and takes nothing
		w.must(w.leaf.Actor == penstock, "told by %s", short(w.leaf.Actor))
	case audit.KeyEnrolled:
		w.enrolled(b)
	case audit.KeyRemoved:
		w.must(b.By == b.Person || w.insider(b.By), "removed by %s, who is nobody of the plant", b.By)
		if p := w.people[b.Person]; w.must(p != nil, "the log does not know %s", b.Person) {
			w.drop(p, func(k heldKey) bool { return k.id == b.Key })
			w.removed[b.Key] = b.Key != KeyTOTP && b.Key != "password"
		}
	case audit.KeyVouched:
		w.vouched(b)
	default:
		return false
	}
	return true
}

// joined: over an invitation to this person, once, in time. The key is pending.
func (w *Walk) joined(b audit.PersonJoined) {
	w.must(!IsEnvelope(b.Person), "%s is an envelope's name, and no person's", short(b.Person))
	i := w.invited[b.Code]
	if !w.must(i != nil && i.person == b.Person, "%s joined without an invitation", b.Person) {
		return
	}
	w.must(!i.spent, "the invitation of %s was used before", b.Person)
	w.must(!w.leaf.Wall.After(i.until), "%s joined after the invitation's end %s", b.Person, clock(i.until))
	i.spent = true
	print, err := fingerprint(b.Public)
	w.must(err == nil && print == b.Key, "the key of %s has not the fingerprint that the leaf says", b.Person)
	if p := w.people[b.Person]; p == nil {
		w.people[b.Person] = &person{firm: i.firm, roles: i.roles, machine: i.machine}
	} else { // a new key of somebody known; firm and roles are person.changed's
		w.must(!p.disabled && p.firm == i.firm && p.machine == i.machine, "%s is disabled, or not of %s as invited", b.Person, i.firm)
	}
	w.hold(b.Person, heldKey{kind: KeySSH, id: b.Key, public: []byte(b.Public), pending: true, by: cmp.Or(i.by, "?"), broken: unvouched, since: w.leaf.Place()})
}

// confirmed: by another person, of the plant. The key counts from here on, and
// the person's other ssh keys no more.
func (w *Walk) confirmed(b audit.PersonConfirmed) {
	w.must(w.insider(b.By), "confirmed by %s, who is nobody of the plant", b.By)
	w.must(b.By != b.Person, "%s confirmed their own key", b.Person)
	p := w.people[b.Person]
	if !w.must(p != nil && p.key(b.Key) != nil, "%s has no such key", b.Person) {
		return
	}
	w.drop(p, func(k heldKey) bool { return k.kind == KeySSH && k.id != b.Key })
	k := p.key(b.Key)
	k.pending, k.since = false, w.leaf.Place()
	if w.ofPlant(p) { // whoever can add one of these can agree in their name
		w.must(k.by != b.By, "%s invited and confirmed %s of the plant alone", b.By, b.Person)
		w.noteHere("%s of the plant, as %q: the key was invited by %s and confirmed by %s", b.Person, p.roles, k.by, b.By)
	}
}

// changed: nobody gives themself a role.
func (w *Walk) changed(b audit.PersonChanged) {
	w.must(w.plantPerson(b.By), "changed by %s, who is nobody of the plant", b.By)
	w.must(b.By != b.Person, "%s changed their own firm or roles", b.Person)
	if p := w.people[b.Person]; w.must(p != nil, "the log does not know %s", b.Person) {
		w.must(p.firm == b.Firm, "%s moves from %s to %s", b.Person, p.firm, short(b.Firm))
		if !sameSet(p.roles, b.Roles) {
			w.noteHere("%s changed the roles of %s from %q to %q", b.By, b.Person, p.roles, b.Roles)
		}
		p.held = append(p.held, p.roles...)
		p.roles = b.Roles
	}
}

// enrolled: an ssh key is pending until it is confirmed, a passkey until
// somebody vouches for it; a password or code generator is the person's own
// doing and counts at once.
func (w *Walk) enrolled(b audit.KeyEnrolled) {
	if !w.must(w.known(b.Person) != nil, "the log does not know %s", b.Person) {
		return
	}
	w.must(b.By == b.Person, "%s of %s was enrolled by %s", b.Kind, b.Person, b.By)
	w.must(!w.people[b.Person].machine, "%s is a machine, and has its one ssh key", b.Person)
	k := heldKey{kind: b.Kind, id: b.Key, since: w.leaf.Place()}
	if b.Kind == KeySSH || b.Kind == KeyPasskey {
		print, public, err := PublicKey(b.Kind, b.Public)
		w.must(err == nil && print == b.Key, "the key of %s has not the fingerprint that the leaf says", b.Person)
		k.public, k.pending, k.broken = public, true, unvouched
	} else {
		w.must(b.Key == b.Kind, "a %s is named %s", b.Kind, b.Key)
	}
	w.hold(b.Person, k)
}

// drop takes keys away. What signs answers is kept aside: it counted until now.
func (w *Walk) drop(p *person, which func(heldKey) bool) {
	for _, k := range p.keys {
		if which(k) && !k.pending {
			k.until = w.leaf.Place()
			p.past = append(p.past, k)
		}
	}
	p.keys = slices.DeleteFunc(p.keys, which)
}
