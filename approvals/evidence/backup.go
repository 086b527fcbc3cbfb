package evidence

import (
	"penstock/audit"
	"penstock/policy"
)

// backedUp: somebody of the plant who answers for a machine, or watches over it,
// says when it was last backed up.
func (w *Walk) backedUp(b audit.AssetBackup) {
	w.must(w.leaf.Actor == b.By && w.leaf.Subject == b.Asset, "%s said it of %s, and the leaf says %s of %s", short(w.leaf.Actor), short(w.leaf.Subject), short(b.By), short(b.Asset))
	w.must(w.plantPerson(b.By), "said by %s, who is nobody of the plant", short(b.By))
	may := false
	for _, plant := range w.now() {
		may = may || plant == nil || plant.MayEscort(asRoles(w.counted(b.By, w.leaf.Wall, b.At)), policy.AssetName(b.Asset))
	}
	w.must(may, "%s has no role that may say this of %s", short(b.By), short(b.Asset))
	w.must(!b.Last.After(b.At) && !b.At.After(w.leaf.Wall.Add(settleTime)), "it was backed up at %s, and the log has it at %s", clock(b.Last), clock(w.leaf.Wall))
	w.must(!b.Last.Before(w.backups[policy.AssetName(b.Asset)]), "it was backed up later than %s", clock(b.Last))
	w.backups[policy.AssetName(b.Asset)] = b.Last
}

func asRoles(words []string) []policy.Role {
	roles := make([]policy.Role, len(words))
	for i, r := range words {
		roles[i] = policy.Role(r)
	}
	return roles
}

// youngEnough: by one of these plant files, each machine has a backup as young
// as the rules for these rights ask, a moment before the leaf, when it was decided.
func (w *Walk) youngEnough(assets []Target, words []string, plants ...*policy.Plant) {
	rights, err := policy.ParseRights(words)
	if err != nil {
		return // a finding already
	}
	why := ""
	for _, plant := range plants {
		if plant == nil {
			return
		}
		why = ""
		for _, t := range assets {
			if no := plant.StaleBackup(policy.AssetName(t.Asset), rights, w.backups, w.leaf.Wall.Add(-crossTime)); no != nil {
				why = no.Why
			}
		}
		if why == "" {
			return
		}
	}
	w.must(why == "", "%s", why)
}

// owes: nothing is owed twice, and nothing ends that was not owed. That it was
// owed is the broker's word: whoever doubts it asks the plant file again.
func (w *Walk) owes(items []audit.DebtItem, now bool) {
	w.must(w.leaf.Actor == penstock, "%s says what is owed", short(w.leaf.Actor))
	for _, it := range items {
		what := it.Kind + " " + it.What
		w.must(w.owed[what] != now, "%s is owed: %t, and was so before", short(what), now)
		if now {
			w.owed[what] = true
		} else {
			delete(w.owed, what)
		}
	}
}
