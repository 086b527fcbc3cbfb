package web

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"penstock/approvals"
	"penstock/audit"
	"penstock/audit/review"
	"penstock/policy"
)

// reviewView is what a second person reads and says of a recording.
type reviewView struct {
	Why      string // it is to be reviewed; empty: it is not
	Done     string
	Unused   string // agreed, and not used
	Part     string // why the reader is no second person
	May      bool   // the reader may say a verdict now
	Seen     int
	Verdicts []verdictView
	Under    []tick // windows under a pattern that can be said to have been outside its purpose
	Threads  []threadView
	Notes    []noteView
	Held     string
	Gone     string
	Ask      []tick // who can be asked
	Deletion *deletionView
	Security bool
}

type verdictView struct {
	Who, Says string
	At        stamp
}

type threadView struct {
	Session, Who, Says, To string
	Number, Seen           int
	At                     stamp
	Replies                []verdictView
	Settled                bool
	MaySettle, Finding     bool
}

type noteView struct {
	Who, Text, Moment string
	Channel           int
	At                stamp
	Into              time.Duration // the channel
}

type deletionView struct {
	By, Why string
	At      stamp
	Yours   bool
}

var reasonWords = map[string]string{"load": "programs or files could be loaded (always)", "device": "the device itself could be changed (always)",
	"emergency": "it was an emergency (always, and planned work of its firm waits for it when it is late)", "refusal": "something was refused (always)", "stand-in": "somebody stood in for a gate (always)",
	"first-visit": "a first visit (always)", "drawn": "drawn by lot"}

func reasonsText(why []string) string {
	out := make([]string, len(why))
	for i, w := range why {
		out[i] = cmp.Or(reasonWords[w], w)
	}
	return strings.Join(out, "; ")
}

// reviewOf is where the review of a recording stands, for this reader.
func (g *Pages) reviewOf(v *visit, n roll, session string) (*reviewView, error) {
	who := reader(v.actor, "", "")
	s, why, err := g.Book.Session(v.ctx(), who, session)
	if err != nil {
		return nil, err
	}
	out := &reviewView{Why: reasonsText(why), Part: g.Book.Part(v.ctx(), who, session), Seen: len(s.Verdicts), Held: g.Book.HeldBy(session),
		Security: v.plant.IsSecurity(v.actor.Roles)}
	out.May = out.Part == "" && !s.Ended.IsZero() && s.Gone == nil
	if out.May {
		if out.Under, err = g.underPatterns(v, s.Windows); err != nil {
			return nil, err
		}
	}
	for _, w := range s.Verdicts {
		out.Verdicts = append(out.Verdicts, verdictView{n.person(personID(w.Person)), verdictText[w.Verdict], v.at(w.At)})
	}
	for _, t := range s.Threads {
		out.Threads = append(out.Threads, v.thread(n, t, out.Part == ""))
	}
	for _, note := range s.Notes {
		out.Notes = append(out.Notes, noteView{n.person(personID(note.Person)), note.Text, clockWords(time.Duration(note.Millis) * time.Millisecond), note.Channel, v.at(note.At), time.Duration(note.Millis) * time.Millisecond})
	}
	if s.Gone != nil {
		out.Gone = v.goneWords(n, *s.Gone)
	}
	if d := s.Deletion; d != nil && s.Gone == nil && v.now.Sub(d.At) < 7*24*time.Hour {
		out.Deletion = &deletionView{n.person(personID(d.By)), d.Why, v.at(d.At), d.By == string(v.actor.Person)}
	}
	for id, p := range n.people {
		if n.firms[p.Firm].Plant && !p.Disabled && id != v.actor.Person {
			out.Ask = append(out.Ask, tick{Value: string(id), Text: p.Name})
		}
	}
	slices.SortFunc(out.Ask, func(a, b tick) int { return strings.Compare(a.Text, b.Text) })
	return out, nil
}

// underPatterns are the windows that were used under a pattern, and of which
// nobody has said yet that this was outside its purpose.
func (g *Pages) underPatterns(v *visit, windows []string) (list []tick, err error) {
	for _, id := range windows {
		w, err := g.Desk.Window(v.ctx(), v.actor, policy.WindowID(id))
		if err != nil {
			return nil, err
		}
		if w.Pattern == "" {
			continue
		}
		p, err := g.Desk.Pattern(v.ctx(), v.actor, w.Pattern)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(p.Doubts, func(d approvals.Doubt) bool { return string(d.Window) == id }) {
			list = append(list, tick{Value: id, Text: id + ", " + p.ID + ": " + p.Document.Purpose})
		}
	}
	return list, nil
}

func (v *visit) goneWords(n roll, g review.Gone) string {
	if g.By != "" {
		return fmt.Sprintf("Deleted before its time on %s: %s asked, %s confirmed. %s", v.at(g.At).Text(), n.person(personID(g.Asked)), n.person(personID(g.By)), g.Why)
	}
	return fmt.Sprintf("Expired on %s (%s).", v.at(g.At).Text(), g.Rule)
}

func (v *visit) thread(n roll, t review.Thread, second bool) threadView {
	out := threadView{Session: t.Session, Number: t.ReviewSigned.Thread, Who: n.person(personID(t.Person)), Says: t.Text, At: v.at(t.At), Settled: t.Settled,
		Seen: len(t.Replies), Finding: t.ReviewSigned.Verdict == review.Finding, MaySettle: second && v.plant.MayRead(v.actor.Roles)}
	if t.To != "" {
		out.To = n.person(personID(t.To))
	}
	for _, r := range t.Replies {
		out.Replies = append(out.Replies, verdictView{n.person(personID(r.Person)), r.Text, v.at(r.At)})
	}
	return out
}

// done is the session in one line, to be held against what was agreed.
func (r *RecordingView) done() string {
	parts := []string{count(len(r.Channels)+r.MoreChannels, "channel", "channels")}
	for _, f := range []struct {
		n    int
		text string
	}{{r.In, "in"}, {r.Out, "out"}} {
		if f.n > 0 {
			parts = append(parts, count(f.n, "file", "files")+" "+f.text)
		}
	}
	if r.Refused > 0 {
		parts = append(parts, fmt.Sprintf("%d refused", r.Refused))
	}
	return strings.Join(parts, ", ")
}

// unused are the ways that the windows agreed to and nobody went.
func (v *visit) unused(windows []approvals.Window, s review.Session) string {
	var out []string
	for _, w := range windows {
		for _, t := range w.Claim.Assets {
			went := slices.ContainsFunc(s.Targets, func(o review.Target) bool {
				return o.Asset == t.Asset && o.Account == t.Account && (o.Port == t.Port || t.Port == "ssh" && o.Port == "sftp")
			})
			if !went {
				x := v.target(t)
				out = append(out, strings.TrimSpace(cmp.Or(x.Tag, x.Asset)+" by "+x.By+as(x.Account)))
			}
		}
	}
	return strings.Join(out, "; ")
}

// reviewsView is what is to be done about the past.
type reviewsView struct {
	Reads    bool
	Waits    []waitsLine
	More     int // that wait, and are not listed
	Threads  []threadView
	Holds    []holdView
	Security bool
	Expiry   string
}

type waitsLine struct {
	RecordingLine
	Why   string
	Ended stamp
	Late  bool
}

type holdView struct {
	ID, What, By, Why string
	At                stamp
}

func (g *Pages) reviewsPage(v *visit) error {
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	who := reader(v.actor, "list", "")
	view := reviewsView{Reads: v.plant.MayRead(v.actor.Roles), Security: v.plant.IsSecurity(v.actor.Roles)}
	open, err := g.Book.Threads(v.ctx(), who)
	if err != nil {
		return err
	}
	for _, s := range open {
		part := g.Book.Part(v.ctx(), who, s.ID)
		for _, t := range s.Threads {
			if !t.Settled {
				view.Threads = append(view.Threads, v.thread(n, t, part == ""))
			}
		}
	}
	if view.Reads {
		if err := g.waitsFor(v, n, &view); err != nil {
			return err
		}
	}
	if view.Reads || view.Security {
		if err := g.holdsOf(v, n, &view); err != nil {
			return err
		}
	}
	return g.show(v, http.StatusOK, "reviews", "Reviews", view)
}

func (g *Pages) waitsFor(v *visit, n roll, view *reviewsView) error {
	list, err := g.Book.Waits(v.ctx(), reader(v.actor, "list", ""))
	if err != nil {
		return err
	}
	view.More = max(0, len(list)-mostListed)
	for _, w := range list[:len(list)-view.More] {
		view.Waits = append(view.Waits, waitsLine{RecordingLine{Session: w.ID, Who: n.person(personID(w.Person)), Firm: n.firm(firmID(w.Firm)), Windows: w.Windows, Started: v.at(w.Started)},
			reasonsText(w.Reasons), v.at(w.Ended), w.Late})
	}
	return nil
}

func (g *Pages) holdsOf(v *visit, n roll, view *reviewsView) error {
	holds, err := g.Book.Holds(v.ctx(), reader(v.actor, "", ""))
	if err != nil {
		return err
	}
	for _, h := range holds {
		view.Holds = append(view.Holds, holdView{h.HoldSet.Hold, v.heldWords(h.HoldSet, n), n.person(personID(h.By)), h.Why, v.at(h.At)})
	}
	b, err := g.Book.Backlog(v.ctx())
	view.Expiry = b.Expiry
	return err
}

// backlog is the board's line, for who reads recordings.
func (g *Pages) backlog(v *visit) string {
	if !v.plant.MayRead(v.actor.Roles) {
		return ""
	}
	b, err := g.Book.Backlog(v.ctx())
	if err != nil { // the board stays, and does not say that nothing waits
		g.Slog.Error("what waits for review cannot be read", "err", err)
		return "what waits cannot be read now; tell OT security"
	}
	var parts []string
	if b.Waiting > 0 {
		late := ""
		if b.Late > 0 {
			late = fmt.Sprintf(", %d late", b.Late)
		}
		parts = append(parts, fmt.Sprintf("%s for review, since %s%s", count(b.Waiting, "recording waits", "recordings wait"), v.at(b.Oldest).Text(), late))
	}
	if b.Findings > 0 {
		parts = append(parts, count(b.Findings, "finding", "findings")+" open")
	}
	if b.Questions > 0 {
		parts = append(parts, count(b.Questions, "question", "questions")+" open")
	}
	if b.Expiry != "" {
		parts = append(parts, "expiry waits for a person")
	}
	return strings.Join(parts, "; ")
}

func (g *Pages) verdict(v *visit) error {
	f, id := v.r.PostForm, v.r.PathValue("id")
	seen, err := strconv.Atoi(f.Get("seen"))
	if err != nil {
		return badCall{fmt.Errorf("the form does not say how many verdicts it showed")}
	}
	o := review.Opinion{Verdict: f.Get("verdict"), To: f.Get("to"), Text: f.Get("text"), Seen: seen}
	outside := names[policy.WindowID](f["outside"])
	if _, err := g.server.sign(v.ctx(), v.actor, id, o, outside); err != nil {
		return err
	}
	said := "Signed: " + verdictText[o.Verdict] + "."
	if len(outside) > 0 {
		said += " Noted: outside the pattern's purpose."
	}
	return g.done(v, "/recordings/"+id+"#review", said)
}

func (g *Pages) reply(v *visit) error {
	f, id := v.r.PostForm, v.r.PathValue("id")
	n, _ := strconv.Atoi(v.r.PathValue("n")) // 0 is no thread
	seen, err := strconv.Atoi(f.Get("seen"))
	if err != nil {
		return badCall{fmt.Errorf("the form does not say how many replies it showed")}
	}
	if _, err := g.Book.Reply(v.ctx(), reader(v.actor, "", ""), id, n, f.Get("text"), f.Get("settle") == "yes", seen); err != nil {
		return err
	}
	return g.done(v, "/reviews", "Noted.")
}

func (g *Pages) note(v *visit) error {
	f, id := v.r.PostForm, v.r.PathValue("id")
	ch, err := strconv.Atoi(f.Get("channel"))
	second, serr := strconv.ParseFloat(f.Get("second"), 64)
	if err != nil || serr != nil || !(second >= 0 && second < 1e8) {
		return badCall{fmt.Errorf("the form does not say which moment is meant")}
	}
	if _, err := g.Book.Note(v.ctx(), reader(v.actor, "", ""), id, ch, time.Duration(second*1000)*time.Millisecond, f.Get("text")); err != nil {
		return err
	}
	return g.done(v, "/recordings/"+id+"/play?channel="+strconv.Itoa(ch), "Noted.")
}

func (g *Pages) setHold(v *visit) error {
	f := v.r.PostForm
	kind, id, _ := strings.Cut(strings.TrimSpace(f.Get("what")), "/")
	set := audit.HoldSet{Why: f.Get("why")}
	switch kind {
	case "session":
		set.Session = id
	case "window":
		set.Window = id
	case "person":
		set.Person = id
	case "firm":
		set.Firm = id
	case "asset":
		set.Asset = id
	case "all":
		set.All = true
	}
	h, err := g.Book.SetHold(v.ctx(), reader(v.actor, "", ""), set)
	if err != nil {
		return err
	}
	return g.done(v, "/reviews#holds", h.HoldSet.Hold+" stands. Nothing of it expires.")
}

func (g *Pages) liftHold(v *visit) error {
	if err := g.server.lift(v.ctx(), v.actor, v.r.PathValue("id"), v.r.PostForm.Get("why")); err != nil {
		return err
	}
	return g.done(v, "/reviews#holds", "Lifted.")
}

type expiryView struct {
	review.Plan
	Goes, Stays []expiryLine
	Security    bool
}

type expiryLine struct {
	Session, Rule, Why string
	Due                stamp
}

// expiryPage is the dry run.
func (g *Pages) expiryPage(v *visit) error {
	p, err := g.Book.Plan(v.ctx(), reader(v.actor, "", ""))
	if err != nil {
		return err
	}
	view := expiryView{Plan: p, Security: v.plant.IsSecurity(v.actor.Roles)}
	for _, d := range p.Goes {
		view.Goes = append(view.Goes, expiryLine{d.Session, d.Rule, "", v.at(d.Due)})
	}
	for _, d := range p.Stays {
		view.Stays = append(view.Stays, expiryLine{d.Session, d.Rule, d.Why, v.at(d.Due.Due)})
	}
	return g.show(v, http.StatusOK, "expiry", "Expiry", view)
}

func (g *Pages) expireNow(v *visit) error {
	seen, err := strconv.Atoi(v.r.PostForm.Get("seen"))
	if err != nil {
		return badCall{fmt.Errorf("the form does not say how many it showed")}
	}
	p, err := g.server.expire(v.ctx(), v.actor, seen)
	if err != nil {
		return err
	}
	return g.done(v, "/reviews/expiry", count(len(p.Goes), "recording is", "recordings are")+" gone.")
}

func (g *Pages) deleteRecording(v *visit) error {
	f, id := v.r.PostForm, v.r.PathValue("id")
	gone, err := g.server.delete(v.ctx(), v.actor, id, f.Get("why"), f.Get("confirm") == "yes")
	if err != nil {
		return err
	}
	if gone {
		return g.done(v, "/reviews", "The recording of "+id+" is gone.")
	}
	return g.done(v, "/recordings/"+id+"#review", "Asked. A second person must confirm it within 7 days.")
}
