package approvals

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// Bounds of asking.
const (
	mostWaiting   = 5  // requests of one firm that wait or sleep (trust.md 24: flooding)
	mostADay      = 20 // requests and revisions of one firm in 24 hours
	longestSpan   = 14 * 24 * time.Hour
	latestStart   = time.Hour   // a From that is no further past than this means now
	lastMinute    = time.Minute // less of a span than this is not worth opening
	mostRevisions = 20          // of one request
	mostListed    = 500         // newest requests or windows in a list
)

// Ask is what a person fills in; Submit makes the document of it.
type Ask struct {
	Firm                                          policy.FirmID // of the people who will work
	People                                        []policy.PersonID
	Kind                                          string // evidence.Remote, Emergency, OnSite, Machine, Connectivity, Exception; "" is remote
	Targets                                       []policy.Target
	Rights                                        policy.Rights
	Reason                                        string
	WorkOrder, Change, Backup, Backout, AreaClear string
	Happening                                     string // one of policy.Happenings; "" is not said
	Drill                                         bool   // an exercise: as real as any, and counted in no measure
	Minutes                                       int
	From, To                                      time.Time
	Pattern                                       string       // P-1, NoPattern, or empty: the first that it lies inside
	CallIn                                        bool         // by somebody of the plant, whose yes may be the ask (Desk.CallIn)
	FileHashes                                    []audit.Hash // of files that may go in once they were looked at, without anybody's further yes
	Laptop                                        string       // of work on site: its name or tag; Targets name the machines alone
	Machine                                       Machine      // of kind standing
	Jack                                          string       // of work on site through a service jack, recorded; empty: beside Penstock
	Outage                                        string       // O-1: it is to be a row of that list; empty: of none
	Registers                                     []string     // that alone may be changed, as policy.OnlyOf reads them
}

// NoPattern asks for access under no pattern: for who would normally agree.
const NoPattern = "none"

// Submit asks: the impossible is refused at once, with the rule's words.
func (d *Desk) Submit(ctx context.Context, by people.Actor, a Ask) (_ Request, err error) {
	defer func() { d.tallies.noAsk(err) }()
	d.asking.Lock() // two at once would both be a firm's fifth
	defer d.asking.Unlock()
	return d.submit(ctx, by, a)
}

// submit is Submit, for whoever holds the lock.
func (d *Desk) submit(ctx context.Context, by people.Actor, a Ask) (Request, error) {
	if err := d.mayAsk(ctx, by, a.Firm); err != nil {
		return Request{}, err
	}
	if err := d.flooded(ctx, by, a.Firm, true); err != nil {
		return Request{}, err
	}
	if err := d.intoOutage(ctx, a); err != nil {
		return Request{}, err
	}
	return again(func() (Request, error) {
		id := policy.RequestID(d.heads.next("request/R-"))
		doc, hash, on, err := d.write(ctx, by, id, 1, a)
		if err != nil {
			return Request{}, err
		}
		body := audit.RequestSubmitted{Request: string(id), Rev: 1, Firm: doc.Firm, By: doc.By, Document: hash, Plant: doc.Plant, Pattern: d.patternNamed(doc), At: d.second()}
		if _, err := d.commit(ctx, requestKey(id), 1, string(by.Person), body, on...); err != nil {
			return Request{}, err
		}
		return d.asked(ctx, by, id)
	})
}

// Revise replaces a request by a new revision: every answer to the old one is
// void, and a window that is agreed but not open becomes unused.
func (d *Desk) Revise(ctx context.Context, by people.Actor, id policy.RequestID, a Ask) (Request, error) {
	d.asking.Lock()
	defer d.asking.Unlock()
	if err := d.mayAsk(ctx, by, a.Firm); err != nil {
		return Request{}, err
	}
	if err := d.flooded(ctx, by, a.Firm, false); err != nil {
		return Request{}, err
	}
	r, err := again(func() (Request, error) {
		old, err := d.requestRow(ctx, id)
		if err != nil {
			return Request{}, err
		}
		if a.Outage, err = d.staysIn(ctx, old, a); err != nil {
			return Request{}, err
		}
		if old.Firm != string(a.Firm) {
			return Request{}, refuse("other-firm", "A revision stays with the firm that %s is of. Ask anew for another firm.", id)
		}
		if len(old.Former) >= mostRevisions-1 {
			return Request{}, refuse("too-many-revisions", "%s has been changed %d times. Withdraw it and ask anew.", id, len(old.Former))
		}
		doc, hash, on, err := d.write(ctx, by, id, old.Rev+1, a)
		if err != nil {
			return Request{}, err
		}
		body := audit.RequestRevised{Request: string(id), Rev: doc.Rev, Firm: doc.Firm, By: doc.By, Document: hash, Plant: doc.Plant, Window: old.Window, Pattern: d.patternNamed(doc), At: d.second()}
		if _, err := d.commit(ctx, requestKey(id), old.row+1, string(by.Person), body, on...); err != nil {
			return Request{}, err
		}
		return d.asked(ctx, by, id)
	})
	if err == nil && r.Document.Outage != "" {
		err = d.renewOutage(ctx, r.Document.Outage)
	}
	return r, err
}

// mayAsk: a person of the firm, or one of the plant for a firm; never for the
// plant itself, because then nobody could agree.
func (d *Desk) mayAsk(ctx context.Context, by people.Actor, firm policy.FirmID) error {
	if err := d.heads.load(ctx, d.log, &d.keys); err != nil {
		return err
	}
	if _, err := d.present(ctx, by); err != nil {
		return err
	}
	f, err := d.roster.Firm(ctx, firm)
	if errors.Is(err, fs.ErrNotExist) || err == nil && by.Firm != firm && !by.Plant {
		return refuse("no-such-firm", "You may ask for your own firm only; %.40q is not yours or is not known here.", firm)
	}
	if err != nil {
		return fmt.Errorf("look up firm %s: %w", firm, err)
	}
	if f.Plant {
		return refuse("own-firm", "A request is for people of another firm: nobody of the plant could agree to its own.")
	}
	return nil
}

// flooded refuses a firm that asks too much. The plant's own people may always ask.
func (d *Desk) flooded(ctx context.Context, by people.Actor, firm policy.FirmID, one bool) error {
	if by.Plant {
		return nil
	}
	waiting, today, since := 0, 0, d.now().Add(-24*time.Hour)
	for _, key := range d.heads.keys("request/") {
		r, err := d.requestRow(ctx, policy.RequestID(strings.TrimPrefix(key, "request/")))
		if err != nil {
			return err
		}
		if r.Firm != string(firm) {
			continue
		}
		if r.waits() {
			waiting++
		}
		for _, f := range append(r.Former, former{At: r.At}) {
			if f.At.After(since) {
				today++
			}
		}
	}
	if one && waiting >= mostWaiting {
		return refuse("too-many-waiting", "%d requests of your firm wait for an answer already. Withdraw one, or wait for the plant.", waiting)
	}
	if today >= mostADay {
		return refuse("too-many-today", "Your firm has asked %d times within 24 hours. Call the control room instead.", today)
	}
	return nil
}

// write makes the request document, decides whether it is possible at all, and
// puts it. on are the people whom that rests on.
func (d *Desk) write(ctx context.Context, by people.Actor, id policy.RequestID, rev int, a Ask) (doc evidence.Request, hash audit.Hash, on []people.Person, err error) {
	plant := d.plant()
	doc, b, on, err := d.draw(ctx, by, plant, id, rev, a)
	if err != nil {
		return doc, hash, nil, err
	}
	if _, err := d.docs.Put(ctx, plant.Document()); err != nil {
		return doc, hash, nil, fmt.Errorf("keep the plant file: %w", err)
	}
	hash, err = d.docs.Put(ctx, b)
	if err != nil {
		return doc, hash, nil, fmt.Errorf("keep the request: %w", err)
	}
	return doc, hash, on, nil
}

// draw is write without keeping anything: the document, and its canonical form.
func (d *Desk) draw(ctx context.Context, by people.Actor, plant *policy.Plant, id policy.RequestID, rev int, a Ask) (doc evidence.Request, b []byte, on []people.Person, err error) {
	now := d.second()
	if doc, err = d.filled(ctx, by, plant, id, rev, a, now); err != nil {
		return doc, nil, nil, err
	}
	quorum, err := d.quorumAsked(ctx, plant, &doc, a.Pattern)
	if err != nil {
		return doc, nil, nil, err
	}
	if missing := lacks(doc, quorum); len(missing) > 0 && (doc.Kind == evidence.Machine || !plant.MayMiss(missing)) {
		return doc, nil, nil, refuse("fields-missing", "The plant asks for more here. Fill in: %s.", strings.Join(missing, ", "))
	}
	doc.Open = quorum.Open
	doc.Plant = audit.HashOf(plant.Document())
	evidence.Tell(plant, &doc)
	if err := excepts(doc); err != nil {
		return doc, nil, nil, err
	}
	if b, err = canonicalRequest(doc); err != nil {
		return doc, nil, nil, err
	}
	if err := d.paidFor(ctx, doc.Firm, doc.Kind); err != nil {
		return doc, nil, nil, err
	}
	asker, err := d.present(ctx, by)
	if err != nil {
		return doc, nil, nil, err
	}
	odd, err := d.oddities(ctx, by, plant, doc, quorum, now)
	if err != nil {
		return doc, nil, nil, err
	}
	if on, err = d.possible(ctx, plant, quorum, doc, odd, now); err != nil {
		return doc, nil, nil, err
	}
	if odd.redden(&doc, now) {
		evidence.Tell(plant, &doc)
		if b, err = canonicalRequest(doc); err != nil {
			return doc, nil, nil, err
		}
	}
	return doc, b, append(on, asker), nil
}

// filled is the document as somebody filled it in, if that fits its kind; what is
// computed is not in it yet.
func (d *Desk) filled(ctx context.Context, by people.Actor, plant *policy.Plant, id policy.RequestID, rev int, a Ask, now time.Time) (evidence.Request, error) {
	if a.From.Before(now) && now.Sub(a.From) <= latestStart {
		a.From = now
	}
	doc := evidence.Request{V: 1, Request: string(id), Rev: rev, Firm: string(a.Firm), By: string(by.Person), Kind: cmp.Or(a.Kind, evidence.Remote), Called: a.CallIn,
		People: sorted(words(a.People)), Assets: asTargets(a.Targets), Rights: (a.Rights | policy.Look).Words(), FileHashes: sortedHashes(a.FileHashes),
		Reason: strings.TrimSpace(a.Reason), WorkOrder: strings.TrimSpace(a.WorkOrder), Change: strings.TrimSpace(a.Change),
		Backup: strings.TrimSpace(a.Backup), Backout: strings.TrimSpace(a.Backout), AreaClear: strings.TrimSpace(a.AreaClear), Happening: a.Happening, Drill: a.Drill,
		Laptop: strings.TrimSpace(a.Laptop), Jack: a.Jack, Outage: a.Outage, Minutes: a.Minutes, From: whole(a.From), To: whole(a.To), Nonce: nonce()}
	only, err := plant.OnlyOf(a.Targets, a.Registers)
	if err != nil {
		return doc, err
	}
	doc.Registers = evidence.AsRegisters(only)
	switch {
	case a.Drill && !by.Plant:
		return doc, refuse("not-plant", "Only the plant says that something is a drill. Ask for access.")
	case a.CallIn && !by.Plant:
		return doc, refuse("not-plant", "Only the plant calls somebody in. Ask for access.")
	case doc.Kind == evidence.Connectivity && (doc.Outage != "" || len(doc.FileHashes) > 0):
		return doc, refuse("connectivity", "A connectivity test stands on no outage's list and names no files. Ask for it by itself.")
	case doc.Kind == evidence.Exception && (doc.Called || doc.Outage != ""):
		return doc, refuse("exception", "An exception is no call-in and stands on no outage's list. Ask for it by itself.")
	}
	if err := onSite(doc); err != nil {
		return doc, err
	}
	if err := d.bind(ctx, by, plant, &doc, a.Machine, now); err != nil {
		return doc, err
	}
	if doc.From.Before(now) || doc.To.Before(now) || doc.To.Sub(doc.From) > longestSpan && doc.Kind != evidence.Machine {
		return doc, refuse("bad-span", "The span must begin now or later, end after that, and be 14 days long at most.")
	}
	return doc, nil
}

// quorumAsked is who has to agree to a request, under the pattern that is named or
// the first that it lies inside, which is written into it.
func (d *Desk) quorumAsked(ctx context.Context, plant *policy.Plant, doc *evidence.Request, pattern string) (policy.Quorum, error) {
	if doc.Outage != "" || doc.Kind == evidence.Exception { // agreed to by those who would normally agree
		pattern = NoPattern
	}
	if err := d.choosePattern(ctx, plant, doc, pattern); err != nil {
		return policy.Quorum{}, err
	}
	under, err := d.under(ctx, *doc)
	if err != nil {
		return policy.Quorum{}, err
	}
	q, err := evidence.QuorumOf(plant, *doc, under...)
	if err != nil {
		return q, asRefusal("not-possible", err)
	}
	return q, nil
}

// canonicalRequest are the bytes of a request's document, if they read.
func canonicalRequest(doc evidence.Request) ([]byte, error) {
	b, err := audit.Canonical(doc)
	if err == nil {
		_, err = evidence.ParseRequest(b)
	}
	if err != nil {
		return nil, asRefusal("bad-text", err)
	}
	return b, nil
}

// possible asks the plant's rules about every target and person; those are returned.
func (d *Desk) possible(ctx context.Context, plant *policy.Plant, q policy.Quorum, doc evidence.Request, odd *oddities, now time.Time) (on []people.Person, err error) {
	if q.Longest > 0 && time.Duration(doc.Minutes)*time.Minute > q.Longest {
		return nil, refuse("too-long", "The plant allows at most %s for this. Ask for fewer minutes.", q.Longest)
	}
	blocks, err := d.Blocks(ctx)
	if err != nil {
		return nil, err
	}
	rights, err := policy.ParseRights(doc.Rights)
	if err != nil {
		return nil, asRefusal("bad-text", err)
	}
	backups, err := d.backupsOf(ctx, asPolicy(doc.Assets))
	if err != nil {
		return nil, err
	}
	for _, id := range doc.People {
		p, err := d.roster.Person(ctx, policy.PersonID(id))
		if errors.Is(err, fs.ErrNotExist) || err == nil && (p.Disabled || string(p.Firm) != doc.Firm) {
			return nil, refuse("no-such-person", "%s is not an active person of firm %s. The plant must invite and confirm everybody who will work.", id, doc.Firm)
		}
		if err != nil {
			return nil, fmt.Errorf("look up %s: %w", id, err)
		}
		on = append(on, p)
		facts, err := d.roster.Facts(ctx, p.ID)
		if err != nil {
			return nil, fmt.Errorf("facts of %s: %w", id, err)
		}
		for _, t := range doc.Assets {
			q := policy.Query{Stage: policy.AtAsk, Asset: policy.AssetName(t.Asset), Port: policy.PortName(t.Port), Account: policy.AccountName(t.Account),
				Rights: rights, From: doc.From, Until: doc.To, Minutes: doc.Minutes, Emergency: doc.Kind == evidence.Emergency, OnSite: doc.AtMachine(), Jack: doc.Jack, Exception: doc.Kind == evidence.Exception, Frame: doc.Machine.Frame, Probe: doc.Kind == evidence.Connectivity}
			if doc.Kind != evidence.OnSite { // on site it does not matter whence somebody asks
				q.Source = odd.source(p.ID)
			}
			decision := plant.Decide(policy.Facts{Person: facts, Blocks: blocks, Ask: odd.facts(p.ID), Backups: backups}, q, now)
			if err := decision.Refusal(); err != nil {
				return nil, err
			}
			odd.note(p.ID, decision.Red)
		}
	}
	return on, nil
}

// asked tells the log who was asked, and returns the request.
func (d *Desk) asked(ctx context.Context, by people.Actor, id policy.RequestID) (Request, error) {
	r, err := d.Request(ctx, by, id)
	if err != nil || r.Document.Outage != "" { // people are asked about the list
		return r, err
	}
	return r, d.tell(ctx, r)
}

// tell writes who was asked for each need: those on duty whose word would count.
// A crash before it loses no right of anybody: pages show the needs themselves.
func (d *Desk) tell(ctx context.Context, r Request) error {
	duty, err := d.Duty(ctx)
	if err != nil {
		return err
	}
	for _, need := range r.Needs {
		who := duty.askable(need.Role, r.Document, d.now())
		ev := audit.Event{Subject: string(r.ID), Actor: penstock, Body: audit.PersonAsked{Role: string(need.Role), People: sorted(who[:min(len(who), evidence.MaxList)])}}
		if _, err := d.log.Append(ctx, ev); err != nil {
			return fmt.Errorf("write who was asked: %w", err)
		}
	}
	return nil
}

// askable are those on duty who may answer a request in a role: not whoever
// wrote it or works in it.
func (d Duty) askable(team policy.Role, doc evidence.Request, at time.Time) (who []string) {
	for _, p := range d.On(team, at) {
		if (string(p) != doc.By || doc.Called) && !slices.Contains(doc.People, string(p)) {
			who = append(who, string(p))
		}
	}
	return who
}

func nonce() string {
	b := make([]byte, 32)
	rand.Read(b) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b)
}

// whole is t in UTC without fractions of a second: what documents hold.
func whole(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

func asTargets(list []policy.Target) []evidence.Target {
	out := make([]evidence.Target, len(list))
	for i, t := range list {
		out[i] = evidence.Target{Asset: string(t.Asset), Port: string(t.Port), Account: string(t.Account)}
	}
	slices.SortFunc(out, evidence.Target.Compare)
	return slices.Compact(out)
}

func asPolicy(list []evidence.Target) []policy.Target {
	out := make([]policy.Target, len(list))
	for i, t := range list {
		out[i] = t.Policy()
	}
	return out
}

func sortedHashes(all []audit.Hash) []audit.Hash {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b audit.Hash) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(all)
}
