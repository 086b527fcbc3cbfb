// Package dossier tells the story of windows for people: what was asked, who
// answered and who had to, who opened, who was in, what was recorded, which
// files passed, and the hand-back. It makes text and one HTML page that stands
// alone, from leaves and documents only; the same ones give the same bytes.
//
// It judges nothing (approvals/evidence does), and trusts its caller to give it
// leaves that were checked. All text in them is somebody's, and is shown as text.
package dossier

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // the reader's machine may have no zones

	"penstock/approvals/evidence"
	"penstock/audit"
	"penstock/policy"
)

// What a dossier holds at most: the newest windows, and rows in each part.
const (
	MostWindows = 1000
	mostRows    = 500
	mostText    = 2000 // bytes of one text
)

// Row is one line of a part.
type Row struct {
	At   time.Time // zero: it has none
	Leaf int64     // -1: it is of no one leaf
	Text string
}

// Part is one chapter of a window's story; More counts rows left out.
type Part struct {
	Title string
	Rows  []Row
	More  int
}

func (p *Part) add(r Row) {
	if len(p.Rows) >= mostRows {
		p.More++
		return
	}
	p.Rows = append(p.Rows, r)
}

// The parts of a window, in the order in which it is told.
const (
	request = iota
	answers
	hadTo
	opened
	certificates
	sessions
	recordings
	files
	handback
	readings
	parts
)

var titles = [parts]string{"Asked", "Answered", "Who had to agree", "Agreed, opened, ended", "Certificates", "Sessions", "Recordings", "Files", "Handed back", "Read since"}

// Window is one window's story.
type Window struct {
	ID, Request, Firm, State string
	Zone                     *time.Location // the plant's
	Parts                    [parts]Part
}

// asked is a request's story until it has a window, which then takes it over.
type asked struct {
	doc     audit.Hash
	firm    string
	rows    Part
	answers Part
	yes     []audit.AnswerGiven
}

type session struct {
	person  string
	windows []string
	bound   map[int]string // channel → window
}

// Book takes leaves in order. Not safe for concurrent use.
type Book struct {
	docs     evidence.Documents
	only     string // this window; empty: all
	names    map[string]string
	plant    *policy.Plant
	plants   map[audit.Hash]*policy.Plant
	requests map[string]*asked
	windows  map[string]*Window
	order    []string
	Dropped  int // windows that were left out, the oldest
	sessions map[string]*session
	patterns map[string][]string // who said yes to each, and when
}

// New begins before leaf 0. only names the one window to tell; empty: all.
func New(docs evidence.Documents, only string) *Book {
	return &Book{docs: docs, only: only, names: map[string]string{}, plants: map[audit.Hash]*policy.Plant{}, requests: map[string]*asked{},
		windows: map[string]*Window{}, sessions: map[string]*session{}, patterns: map[string][]string{}}
}

// Windows are the stories, the oldest first.
func (b *Book) Windows() []*Window {
	var list []*Window
	for _, id := range b.order {
		if w := b.windows[id]; w != nil && (b.only == "" || b.only == id) {
			list = append(list, w)
		}
	}
	return list
}

// Leaf takes the next leaf. What cannot be read is said in the story.
func (b *Book) Leaf(ctx context.Context, l audit.Leaf) {
	switch e := l.Body.(type) {
	case audit.ConfigChanged:
		if e.Kind == "plant" {
			b.plant = b.plantOf(ctx, e.Document)
		}
	case audit.PersonInvited:
		b.names[e.Person] = e.Name
	case audit.PersonChanged:
		b.names[e.Person] = e.Name
	case audit.FirmChanged:
		b.names["firm "+e.Firm] = e.Name
	case audit.RequestSubmitted:
		b.submitted(ctx, l, e)
	case audit.RequestRevised:
		b.submitted(ctx, l, audit.RequestSubmitted(e))
	case audit.RequestWithdrawn, audit.RequestUnanswered:
		delete(b.requests, l.Subject)
	case audit.AnswerGiven:
		b.answered(ctx, l, e)
	case audit.WindowAgreed:
		b.agreed(ctx, l, e)
	case audit.WindowMoved:
		b.moved(ctx, l, e)
	case audit.PatternAnswered:
		if e.Says == evidence.Yes && len(b.patterns[e.Pattern]) < evidence.MaxList {
			b.patterns[e.Pattern] = append(b.patterns[e.Pattern], b.who(e.Person)+" on "+When(l.Wall, zoneOf(b.plant)))
		}
	case audit.PatternDoubted:
		b.to(e.Window, handback, l, "%s says that it was used outside the purpose of %s%s", b.who(e.By), e.Pattern, why(e.Why))
	case audit.GateChanged:
		b.gate(l, e)
	case audit.HandoverOffered:
		for _, id := range e.Windows {
			b.to(id, opened, l, "handed over by %s (%s)", b.who(e.By), e.Handover)
		}
	case audit.HandoverAccepted:
		for _, id := range e.Windows {
			b.to(id, opened, l, "taken over by %s (%s)", b.who(e.By), e.Handover)
		}
	case audit.EscortChanged:
		b.to(e.Window, opened, l, "escort %s: %s%s", b.who(e.By), e.Says, map[bool]string{true: " to " + b.who(e.To)}[e.To != ""])
	case audit.HandbackGiven:
		b.to(e.Window, handback, l, "%s: %s", b.who(e.By), b.text(ctx, e.Text))
	case audit.LeftNoted:
		b.to(e.Window, handback, l, "%s: left behind (%d): %s%s", b.who(e.By), e.N, b.text(ctx, e.Text), b.goneBy(e.Due))
	case audit.LeftDue:
		b.to(e.Window, handback, l, "%s: left behind (%d)%s", b.who(e.By), e.N, b.goneBy(e.Due))
	case audit.LeftRang:
		b.to(e.Window, handback, l, "left behind (%d), not gone in time: %d people are rung", e.N, len(e.People))
	case audit.LeftGone:
		b.to(e.Window, handback, l, "%s: left behind (%d) is gone", b.who(e.By), e.N)
	case audit.HandbackAccepted:
		b.to(e.Window, handback, l, "accepted by %s", b.who(e.By))
		if w := b.windows[e.Window]; w != nil {
			w.State = "closed"
		}
	default:
		b.inside(l)
	}
}

// gate is a person's word about one window's gate. What an input said stands in
// the step that came of it.
func (b *Book) gate(l audit.Leaf, e audit.GateChanged) {
	if e.Window == "" {
		return
	}
	text := "gate " + e.Gate + ": " + e.Says + ", said by "
	if e.Says == "stood-in" {
		text = "gate " + e.Gate + ": did not say yes; stood in for by "
	}
	b.to(e.Window, opened, l, "%s%s%s", text, b.who(e.By), why(e.Why))
}

// to adds a row to a part of a window that is told.
func (b *Book) to(window string, part int, l audit.Leaf, format string, args ...any) {
	if w := b.windows[window]; w != nil {
		w.Parts[part].add(row(l, format, args...))
	}
}

func row(l audit.Leaf, format string, args ...any) Row {
	return Row{l.Wall, int64(l.Index), cut(fmt.Sprintf(format, args...))}
}

func fact(name, text string) Row { return Row{Leaf: -1, Text: name + ": " + cut(text)} }

func cut(s string) string {
	s = strings.ReplaceAll(strings.TrimSpace(s), "\n", " ⏎ ")
	if len(s) > mostText {
		s = strings.ToValidUTF8(s[:mostText], "") + " …"
	}
	return s
}

func (b *Book) who(id string) string {
	if n := b.names[id]; n != "" && n != id {
		return n + " (" + id + ")"
	}
	return cmp.Or(id, "nobody")
}

func (b *Book) people(ids []string) string {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = b.who(id)
	}
	return strings.Join(list, ", ")
}

// goneBy says by when something that was left behind must be gone.
func (b *Book) goneBy(due time.Time) string {
	if due.IsZero() {
		return ""
	}
	return ", must be gone by " + When(due, zoneOf(b.plant))
}

func (b *Book) text(ctx context.Context, h audit.Hash) string {
	t, err := b.docs.Get(ctx, h)
	if err != nil {
		return "(its text cannot be read)"
	}
	return string(t)
}

func (b *Book) plantOf(ctx context.Context, h audit.Hash) *policy.Plant {
	if p, ok := b.plants[h]; ok {
		return p
	}
	doc, err := b.docs.Get(ctx, h)
	if err != nil {
		return nil
	}
	p, problems := policy.ParseBundle(doc)
	if problems.Err() != nil {
		return nil
	}
	if len(b.plants) >= 8 {
		clear(b.plants)
	}
	b.plants[h] = p
	return p
}

func (b *Book) submitted(ctx context.Context, l audit.Leaf, e audit.RequestSubmitted) {
	r := &asked{doc: e.Document, firm: e.Firm}
	if e.Rev > 1 {
		r.rows.Rows = append(r.rows.Rows, fact("before it", fmt.Sprintf("revision %d, void with its answers", e.Rev-1)))
	}
	b.requests[e.Request] = r
	r.rows.add(row(l, "%s, revision %d, by %s for %s", e.Request, e.Rev, b.who(e.By), cmp.Or(b.names["firm "+e.Firm], e.Firm)))
	doc, err := evidence.ParseRequest([]byte(b.text(ctx, e.Document)))
	if err != nil {
		r.rows.add(fact("its text", "cannot be read"))
		return
	}
	zone := zoneOf(b.plantOf(ctx, e.Plant))
	for _, f := range []struct{ name, text string }{
		{"who works", b.people(doc.People)}, {"where", targets(doc.Assets)}, {"rights", strings.Join(doc.Rights, ", ")}, {"changes only", strings.Join(evidence.RegisterWords(doc.Registers), ", ")}, {"why", doc.Reason},
		{"ON SITE, with the laptop", doc.Laptop}, {"through the service jack, else not recorded", doc.Jack}, {"STANDING, a machine of the keeper", doc.Machine.Keeper}, {"by the key", doc.Machine.Key}, {"from", strings.Join(doc.Machine.Networks, ", ")}, {"EMERGENCY, begins with", strings.Join(doc.Starts, ", ")}, {"calendars waived", strings.Join(doc.Waives, ", ")},
		{"work order", doc.WorkOrder}, {"change", doc.Change}, {"backup", doc.Backup}, {"backout", doc.Backout}, {"area clear", doc.AreaClear},
		{"files named by hash", named(doc)},
		{"time", fmt.Sprintf("%d minutes between %s and %s", doc.Minutes, When(doc.From, zone), When(doc.To, zone))},
		{"text by hash", e.Document.String()}, {"plant file in force", e.Plant.String()},
	} {
		if f.text != "" {
			r.rows.add(fact(f.name, f.text))
		}
	}
}

// named are the files that were let in by their hash in the request's text.
func named(doc evidence.Request) string {
	out := make([]string, len(doc.FileHashes))
	for i, h := range doc.FileHashes {
		out[i] = h.String()
	}
	return strings.Join(out, "; ")
}

func targets(list []evidence.Target) string {
	out := make([]string, len(list))
	for i, t := range list {
		out[i] = t.String()
	}
	return strings.Join(out, "; ")
}

func (b *Book) answered(ctx context.Context, l audit.Leaf, e audit.AnswerGiven) {
	r := b.requests[e.Request]
	if r == nil {
		return
	}
	text := fmt.Sprintf("%s (%s) says %s", b.who(e.Person), strings.Join(e.Roles, ", "), e.Says)
	if a, err := evidence.ParseAnswer([]byte(b.text(ctx, e.Document))); err == nil {
		text += limits(a.Limits, zoneOf(b.plant)) + why(a.Why) + proof(a.Proof)
	}
	r.answers.add(row(l, "%s", text))
	if e.Says == evidence.Yes {
		r.yes = append(r.yes, e)
	}
}

func why(s string) string {
	if s == "" {
		return ""
	}
	return ": " + s
}

func limits(l evidence.Limits, zone *time.Location) (s string) {
	if l.Minutes > 0 {
		s += fmt.Sprintf(", at most %d minutes", l.Minutes)
	}
	if len(l.Rights) > 0 {
		s += ", only " + strings.Join(l.Rights, " and ")
	}
	if len(l.Assets) > 0 {
		s += ", only " + targets(l.Assets)
	}
	if !l.Until.IsZero() {
		s += ", until " + When(l.Until, zone)
	}
	return s
}

// proof says how an answer was signed.
func proof(p evidence.Proof) string {
	switch p.Kind {
	case "":
		return ""
	case evidence.ProofTOTP:
		return " [by a code: the server's word]"
	case evidence.ProofWebAuthn:
		return " [signed by their own passkey]"
	case evidence.ProofSSHSIG:
		return " [signed by their own SSH key]"
	}
	return " [" + p.Kind + "]"
}

func (b *Book) agreed(ctx context.Context, l audit.Leaf, e audit.WindowAgreed) {
	w := &Window{ID: e.Window, Request: e.Request, Firm: cmp.Or(b.names["firm "+e.Firm], e.Firm), State: "agreed"}
	for i := range w.Parts {
		w.Parts[i].Title = titles[i]
	}
	b.windows[e.Window] = w
	if b.order = append(b.order, e.Window); len(b.order) > MostWindows {
		delete(b.windows, b.order[0])
		b.order = b.order[1:]
		b.Dropped++
	}
	r := b.requests[e.Request]
	plant := b.plant
	if r != nil {
		w.Parts[request].Rows, w.Parts[answers] = r.rows.Rows, Part{titles[answers], r.answers.Rows, r.answers.More}
		if doc, err := evidence.ParseRequest([]byte(b.text(ctx, r.doc))); err == nil {
			plant = cmp.Or(b.plantOf(ctx, doc.Plant), plant)
			w.Parts[hadTo].Rows = b.quorum(plant, doc, r.yes, b.under(ctx, doc, e.Pattern)...)
			if e.Pattern != "" {
				w.Parts[hadTo].Rows = append(w.Parts[hadTo].Rows, b.agreedByDay(ctx, doc, e.Pattern)...)
			}
		}
		delete(b.requests, e.Request)
	}
	w.Zone = zoneOf(plant)
	text := "agreed"
	if c, err := evidence.ParseClaim([]byte(b.text(ctx, e.Claim))); err == nil {
		text = fmt.Sprintf("agreed: %s, %s, %d minutes between %s and %s", targets(c.Assets), strings.Join(c.Rights, ", "), c.Minutes, When(c.From, w.Zone), When(c.To, w.Zone))
	}
	b.to(e.Window, opened, l, "%s", text)
}

// under is the pattern that a request names.
func (b *Book) under(ctx context.Context, doc evidence.Request, stood string) []evidence.Basis {
	if doc.Pattern.IsZero() {
		return nil
	}
	return []evidence.Basis{{Text: []byte(b.text(ctx, doc.Pattern)), Stands: stood != ""}}
}

// agreedByDay is the pattern that stood for the plan: the joint decision record.
func (b *Book) agreedByDay(ctx context.Context, doc evidence.Request, id string) (rows []Row) {
	p, err := evidence.ParsePattern([]byte(b.text(ctx, doc.Pattern)))
	if err != nil {
		return []Row{fact("pattern "+id, "cannot be read: "+err.Error())}
	}
	return []Row{fact("agreed by day", fmt.Sprintf("pattern %s (%s), for: %s; %s, %s, %d minutes at a time, until %s; looked at again by %s", id, p.Frame, p.Purpose, targets(p.Assets),
		strings.Join(p.Rights, ", "), p.Minutes, p.Until.Format(time.DateOnly), p.Review.Format(time.DateOnly))),
		fact("who agreed to it", strings.Join(b.patterns[id], ", "))}
}

// quorum says who had to agree by the plant file, and whose yes there was.
func (b *Book) quorum(plant *policy.Plant, doc evidence.Request, yes []audit.AnswerGiven, under ...evidence.Basis) (rows []Row) {
	if plant == nil {
		return nil
	}
	q, err := evidence.QuorumOf(plant, doc, under...)
	if err != nil {
		return []Row{fact("who had to", "cannot be said: "+err.Error())}
	}
	for _, n := range q.Needs {
		team, _ := plant.Team(n.Role)
		var who []string
		for _, y := range yes {
			if slices.Contains(y.Roles, string(n.Role)) {
				who = append(who, b.who(y.Person))
			}
		}
		rows = append(rows, fact(cmp.Or(team.Title, string(n.Role)), fmt.Sprintf("%d by rule %s; said yes: %s", n.Count, n.Rule, cmp.Or(strings.Join(who, ", "), "nobody"))))
	}
	return rows
}

var movedWords = map[string]string{"opened": "opened by", "paused": "paused by", "pausing": "to be paused once its transfer is done, by", "wenton": "goes on, by", "extended": "extended by", "narrowed": "narrowed by", "stepped": "stepped up by a second tap of", "ending": "ending, by",
	"grace": "moved for a half-done transfer by", "ended": "ended by", "cut": "cut by", "unused": "never opened, by"}

func (b *Book) moved(ctx context.Context, l audit.Leaf, e audit.WindowMoved) {
	w := b.windows[e.Window]
	if w == nil {
		return
	}
	if s, ok := map[string]string{"wenton": "open", "opened": "open", "extended": w.State, "narrowed": w.State, "pausing": w.State, "stepped": w.State, "grace": "ending"}[e.To]; ok {
		w.State = s
	} else {
		w.State = e.To
	}
	text := cmp.Or(movedWords[e.To], e.To) + " " + b.who(e.By)
	if e.Emergency {
		text = "EMERGENCY, " + text + ", calendars waived: " + cmp.Or(strings.Join(e.Waived, ", "), "none")
	}
	if len(e.Rights) > 0 {
		text += " to " + strings.Join(e.Rights, ", ")
	}
	if !e.Until.IsZero() {
		text += ", ends " + When(e.Until, w.Zone)
	}
	if !e.Answer.IsZero() {
		if a, err := evidence.ParseAnswer([]byte(b.text(ctx, e.Answer))); err == nil {
			text += proof(a.Proof)
		}
	}
	b.to(e.Window, opened, l, "%s%s", text, why(e.Why))
}

func zoneOf(p *policy.Plant) *time.Location {
	if p == nil || p.Location() == nil {
		return time.UTC
	}
	return p.Location()
}

// When is a moment in the plant's zone, with the zone's name.
func When(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return ""
	}
	if zone == nil {
		zone = time.UTC
	}
	return t.In(zone).Format("Mon 2006-01-02 15:04:05 MST")
}
