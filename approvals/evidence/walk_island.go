package evidence

import (
	"cmp"
	"slices"

	"penstock/audit"
	"penstock/policy"
)

// blocked is a block as the leaves tell it.
type blocked struct {
	audit.BlockSet
	free  []string               // zones that an island of everything was lifted for
	words map[audit.Hash][]heard // by the lifting's text
}

func (b *blocked) island() bool { return b.All || b.Island }

func (w *Walk) blockSet(b audit.BlockSet) {
	w.mayTake(b.By, false)
	w.must(!b.Island || b.Zone != "", "it is an island, and of no zone")
	w.must(b.Until.IsZero() || !b.All && !b.Island, "an island ends by itself at %s", clock(b.Until))
	w.blocks[b.Block] = &blocked{BlockSet: b, words: map[audit.Hash][]heard{}}
}

func (w *Walk) blockLifted(b audit.BlockLifted) {
	w.must(w.plantPerson(b.By), "lifted by %s, who is nobody of the plant", b.By)
	if k := w.blocks[b.Block]; k != nil {
		w.must(!k.island(), "%s lifted alone what two people lift", b.By)
	}
	delete(w.blocks, b.Block)
}

// islandAnswered takes one of the two words, and with the second one checks
// that both suffice.
func (w *Walk) islandAnswered(b audit.IslandAnswered) {
	k := w.blocks[b.Block]
	if !w.must(k != nil && k.island(), "the log knows no island %s that is still there", short(b.Block)) {
		return
	}
	text := w.document("lifting", b.Text)
	if text == nil {
		return
	}
	l, err := ParseLift(text)
	if !w.must(err == nil, "%v", err) {
		return
	}
	w.must(l.Block == b.Block && l.Zone == b.Zone, "the leaf and the lifting's text differ")
	w.must(l.Zone == "" || k.All && !slices.Contains(k.free, l.Zone), "zone %s is not what this island is of", short(l.Zone))
	w.must(l.Plant == w.inForce || l.Plant == w.former && !w.leaf.Wall.After(w.newPlant.Add(LiftTime)), "it names the plant file %s, and %s was in force", l.Plant, w.inForce)
	rev := w.revs["block/"+b.Block] // with this leaf
	w.must(len(k.words[b.Text]) > 0 || l.Rev+1 == rev, "its text is of revision %d, and the block was at %d", l.Rev, rev-1)
	a, h, ok := w.saidHolding(audit.AnswerGiven{Person: b.Person, Firm: b.Firm, Roles: b.Roles, Says: Yes, Document: b.Document})
	if !ok {
		return
	}
	w.must(a.Request == b.Text, "it answers something else than this lifting")
	if !w.must(len(k.words[b.Text]) < 2, "it is one word more than it takes") {
		return
	}
	k.words[b.Text] = append(k.words[b.Text], h)
	if !b.Lifts {
		return
	}
	given, keys := w.bodies(k.words[b.Text])
	if plant := w.plant(l.Plant); plant != nil {
		for _, f := range CheckLift(plant, text, given, keys) {
			w.must(false, "%s", f)
		}
		w.noteHere("%s was lifted for %s by %s, %s", b.Block, cmp.Or(b.Zone, "all that was left of it"), people(given), Strength(given))
	}
	if l.Zone == "" {
		delete(w.blocks, b.Block)
		return
	}
	k.free = append(k.free, l.Zone)
}

func people(given []Given) string {
	s := ""
	for i, g := range given {
		if a, err := ParseAnswer(g.Body); err == nil {
			if i > 0 {
				s += " and "
			}
			s += a.Person
		}
	}
	return s
}

// hits says whether a block is for this person of this firm, and this way in.
func (b *blocked) hits(who, firm, asset string, zone policy.ZoneName) bool {
	return b.All && !slices.Contains(b.free, string(zone)) || b.Person == who || firm != "" && b.Firm == firm ||
		b.Asset != "" && b.Asset == asset || b.Zone != "" && b.Zone == string(zone)
}
