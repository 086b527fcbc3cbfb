package evidence

import (
	"slices"

	"penstock/audit"
)

// judgeRecovery says whether the leaf was about a recovery after an incident. All
// of it takes: whoever can write these leaves can stop work, and open nothing.
func (w *Walk) judgeRecovery() bool {
	switch b := w.leaf.Body.(type) {
	case audit.RecoveryBegan:
		w.must(w.leaf.Actor == penstock, "%s began it", short(w.leaf.Actor))
		w.recovering = true
		w.noteHere("a recovery after an incident began: %s; %d leaves were read, and held to %d checkpoints from outside", short(b.Says), b.Leaves, b.Outside)
	case audit.RecoveryDone:
		w.must(w.recovering, "no recovery had begun")
		w.recovering = false
		w.noteHere("the recovery is done: %d windows cut, %d requests withdrawn, the keys of %d people suspended, %d agents and %d kiosks removed", b.Windows, b.Requests, b.People, b.Agents, b.Kiosks)
	case audit.AuthoritiesRotated:
		w.must(w.recovering, "keys were rotated outside of a recovery")
		for file, print := range b.New {
			w.must(b.Old[file] != "" && b.Old[file] != print, "%s is the key that it was", short(file))
		}
	case audit.PersonSuspended:
		w.suspended(b)
	default:
		return false
	}
	return true
}

// suspended: in a recovery. What the bootstrap file has stays; ssh keys and
// passkeys wait again, and what they signed before stands.
func (w *Walk) suspended(b audit.PersonSuspended) {
	w.must(w.recovering && w.leaf.Actor == penstock, "%s was suspended outside of a recovery", short(b.Person))
	p := w.people[b.Person]
	if !w.must(p != nil, "the log does not know %s", short(b.Person)) {
		return
	}
	first := func(k heldKey) bool { return k.kind == KeySSH && k.by == "" }
	var again []heldKey
	for _, k := range p.keys {
		if !first(k) && (k.kind == KeySSH || k.kind == KeyPasskey) {
			k.pending, k.broken, k.since = true, unvouched, w.leaf.Place()
			again = append(again, k)
		}
	}
	w.drop(p, func(k heldKey) bool { return !first(k) })
	p.keys = append(slices.Clone(p.keys), again...)
	for _, id := range b.Back { // pending: it takes somebody else's word again, and as much as any key to sign
		if k := p.first; w.must(k.id == id && p.key(id) == nil, "%s is no key of the bootstrap file that was taken from %s", short(id), short(b.Person)) {
			k.pending, k.by, k.broken, k.since = true, "?", unvouched, w.leaf.Place()
			p.keys = append(p.keys, k)
		}
	}
}
