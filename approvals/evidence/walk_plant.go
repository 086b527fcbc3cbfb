package evidence

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"penstock/audit"
	"penstock/policy"
)

// change is a change of the plant file as the leaves tell it. States: waiting →
// refused | withdrawn | unanswered | applied (waits to be confirmed) | kept;
// applied → kept | back.
type change struct {
	state   string
	text    audit.Hash
	doc     PlantChange
	answers []heard
	confirm time.Time // by then, or it goes back; zero: it needs no confirming
}

// judgePlant says whether the leaf was about a change of the plant file.
func (w *Walk) judgePlant() bool {
	switch b := w.leaf.Body.(type) {
	case audit.ConfigChanged:
		w.config(b)
	case audit.PlantProposed:
		w.proposed(b)
	case audit.PlantAnswered:
		w.plantAnswered(b)
	case audit.PlantMoved:
		w.plantMoved(b)
	default:
		return false
	}
	return true
}

// config notes the plant file in force, and judges how it came to be: the
// first, and where the one in force says plant_changes: by_file, by whoever
// writes the file; else by an agreed change.
func (w *Walk) config(b audit.ConfigChanged) {
	if b.Kind != "plant" {
		return
	}
	switch first := w.inForce.IsZero(); {
	case b.Change != "":
		w.byChange(b)
	case first:
	case w.byFile:
		w.filed++
	default:
		w.must(false, "the plant file was changed on the broker's disk, and nobody agreed: the one in force does not say plant_changes: by_file")
	}
	w.former, w.newPlant, w.inForce = w.inForce, w.leaf.Wall, b.Document
	w.resheet(b.Document)
	if p := w.plant(b.Document); p != nil {
		w.byFile = p.ByFile
	}
}

// byChange: put in force as agreed, or taken back before it was kept.
func (w *Walk) byChange(b audit.ConfigChanged) {
	c := w.plantChange(b.Change)
	if c == nil {
		return
	}
	if b.Back {
		w.must(w.leaf.Actor == b.By, "%s took it back, and the leaf says %s", short(w.leaf.Actor), short(b.By))
		w.must(c.state == "applied", "the change was %s, and cannot go back", c.state)
		w.must(b.Document == c.doc.From, "it goes back to another plant file than the one before it")
		w.must(w.inForce == c.doc.To, "another plant file is in force than the one that goes back")
		w.must(w.governs(b.By) || b.By == penstock && !w.leaf.Wall.Before(c.confirm.Add(-settleTime)), "taken back by %s, before its time %s", short(b.By), clock(c.confirm))
		c.state = "back"
		w.noteHere("the plant file of %s went back to the one before it", b.Change)
		return
	}
	w.must(c.state == "waiting", "the change was %s", c.state)
	w.must(w.leaf.Actor == b.By && w.governs(b.By), "put in force by %s, who is nobody of the plant with a role", short(b.By))
	w.must(b.Document == c.doc.To, "what is put in force is not the plant file that was agreed")
	w.must(w.inForce == c.doc.From, "it was agreed as a change of another plant file than the one in force")
	w.must(!w.leaf.Wall.After(c.doc.Until.Add(clockSlack)), "it had to be decided by %s", clock(c.doc.Until))
	w.recheckPlant(c)
	c.state, c.confirm = "kept", b.Confirm
	if !b.Confirm.IsZero() {
		c.state = "applied"
	}
}

// recheckPlant checks a change anew against everything that was answered.
func (w *Walk) recheckPlant(c *change) {
	from, to, text := w.plant(c.doc.From), w.plant(c.doc.To), w.document("change", c.text)
	if from == nil || to == nil || text == nil {
		return
	}
	w.stillHere(c.answers)
	given, keys := w.bodies(c.answers)
	for _, f := range CheckPlantChange(from, to, text, given, keys) {
		w.must(false, "%s", f)
	}
	if s := Strength(given); s != "" {
		w.noteHere("the plant file of %s is %s", c.doc.Change, s)
	}
}

// governs: somebody of the plant who is known now and whose word counts in a
// role, or did a moment ago.
func (w *Walk) governs(id string) bool {
	p := w.known(id)
	return p != nil && w.ofPlant(p) && len(w.counted(id, w.leaf.Wall)) > 0
}

func (w *Walk) plantChange(id string) *change {
	c := w.changes[id]
	w.must(c != nil, "the log does not know change %s", short(id))
	return c
}

func (w *Walk) proposed(b audit.PlantProposed) {
	if !w.must(w.changes[b.Change] == nil, "%s was proposed before", b.Change) {
		return
	}
	doc := w.document("change", b.Document)
	if doc == nil {
		return
	}
	text, err := ParsePlantChange(doc)
	if !w.must(err == nil, "%v", err) {
		return
	}
	w.must(text.Change == b.Change && text.By == b.By && text.From == b.From && text.To == b.To && text.Until.Equal(b.Until), "the leaf and the change's text differ")
	w.must(w.leaf.Actor == b.By, "%s proposed what %s wrote", short(w.leaf.Actor), b.By)
	w.must(w.governs(b.By), "proposed by %s, who is nobody of the plant with a role", short(b.By))
	w.must(b.From == w.inForce, "it changes the plant file %s, and %s was in force", b.From, w.inForce)
	w.plant(b.To)
	w.changes[b.Change] = &change{state: "waiting", text: b.Document, doc: text}
}

// plantAnswered: as answered is for requests.
func (w *Walk) plantAnswered(b audit.PlantAnswered) {
	c := w.plantChange(b.Change)
	if c == nil {
		return
	}
	a, h, ok := w.said(audit.AnswerGiven{Person: b.Person, Firm: b.Firm, Roles: b.Roles, Says: b.Says, Document: b.Document}, nil)
	if !ok {
		return
	}
	w.must(a.Request == c.text, "it answers something else than this change")
	if !w.must(c.state == "waiting", "the change was %s", c.state) || !w.must(len(c.answers) < maxAnswers, "it has too many answers") {
		return
	}
	c.answers = append(c.answers, h)
	if a.Says == No && w.asksOf(c, h) {
		c.state = "refused"
	}
}

// asksOf says whether one who answered is somebody who has to agree.
func (w *Walk) asksOf(c *change, h heard) bool {
	from, to := w.plant(c.doc.From), w.plant(c.doc.To)
	return from != nil && to != nil && h.Plant && slices.ContainsFunc(policy.MustAgree(from, to), func(n policy.Need) bool {
		return slices.Contains(h.Roles, string(n.Role))
	})
}

func (w *Walk) plantMoved(b audit.PlantMoved) {
	c := w.plantChange(b.Change)
	if c == nil {
		return
	}
	w.must(w.leaf.Actor == b.By, "%s moved it, and the leaf says %s", short(w.leaf.Actor), short(b.By))
	switch b.To {
	case "withdrawn":
		w.must(c.state == "waiting", "the change was %s", c.state)
		w.must(w.governs(b.By), "withdrawn by %s, who is nobody of the plant with a role", short(b.By))
	case "unanswered":
		w.must(c.state == "waiting", "the change was %s", c.state)
		w.must(b.By == penstock && !w.leaf.Wall.Before(c.doc.Until.Add(-settleTime)), "unanswered before its time %s", clock(c.doc.Until))
	case "kept":
		w.must(c.state == "applied", "the change was %s, and has nothing to confirm", c.state)
		w.must(w.governs(b.By), "confirmed by %s, who is nobody of the plant with a role", short(b.By))
		w.must(!w.leaf.Wall.After(c.confirm.Add(clockSlack)), "it had to be confirmed by %s", clock(c.confirm))
	default:
		w.must(false, "%q is no step of a change", short(b.To))
		return
	}
	c.state = b.To
}

// unconfirmed: a change that nobody confirmed went back in time, unless the
// broker was not there to do it.
func (w *Walk) unconfirmed() {
	for _, id := range slices.Sorted(maps.Keys(w.changes)) {
		c := w.changes[id]
		late := c.state == "applied" && w.last.After(c.confirm.Add(lookTime)) && !w.stopped
		if late {
			w.wrong = append(w.wrong, fmt.Sprintf("%s of the plant file had to be confirmed by %s, and is still in force", id, clock(c.confirm)))
		}
	}
}
