package evidence

import (
	"context"
	"fmt"
	"strings"
	"time"

	"penstock/audit"
	"penstock/policy"
)

// Documents is how Walk reads what leaves name.
type Documents interface {
	Get(context.Context, audit.Hash) ([]byte, error)
}

// Walk folds a log's leaves in order and checks every window in it: was it
// agreed, by whom, opened by somebody who may, extended and ended as it says,
// and did every session and channel fit a window that was open. It knows people
// and keys only from the leaves and the bootstrap document of the first. It
// satisfies audit/verify.Walk. Not safe for concurrent use.
//
// It keeps what is open and small facts of what is over; documents are read
// again when they are needed.
type Walk struct {
	docs  Documents
	ctx   context.Context // of the running call of Leaf or Done
	leaf  audit.Leaf      // being judged
	wrong []string
	notes []string

	revs       map[string]uint64 // row key → revision
	firms      map[string]*firm
	people     map[string]*person
	invited    map[audit.Hash]*invitation
	owners     map[string]string // fingerprint of an ssh key or passkey → person
	agents     map[string]*agentSeen
	removed    map[string]bool    // fingerprints that were taken away
	access     map[string]*access // by scope
	words      map[string]bool    // nonces of vouches
	inForce    audit.Hash         // plant file
	former     audit.Hash         // the one before
	newPlant   time.Time          // wall of the change
	plants     map[audit.Hash]*policy.Plant
	byFile     bool // the plant file in force says plant_changes: by_file
	filed      int  // changes of the plant file by its file, after the first
	changes    map[string]*change
	sealed     map[string]*sealedIn // envelopes
	requests   map[string]*asked
	backups    map[policy.AssetName]time.Time // the newest that was said
	owed       map[string]bool                // what is owed now, by kind and thing
	been       map[string]bool                // people who worked in a window that was open
	windows    map[string]*window
	patterns   map[string]*pattern
	spoken     map[string]*spokenYes // by window
	began      time.Time             // the first leaf
	recovering bool                  // between recovery.began and recovery.done
	blocks     map[string]*blocked
	outages    map[string]*outage
	kiosks     map[string]*kiosk
	duty       duties
	owing      *Owing
	certs      map[string]audit.CertIssued // vendors', by serial
	files      map[string]*heldFile        // that wait at the broker
	secrets    map[string]*secret          // of targets, by asset/account
	keys       map[string]*shownKey        // that machines showed in place of pinned ones, by asset
	sessions   map[string]*session
	gates      map[string]gateWord // what was said about the whole plant
	handed     map[string]*handover
	guarded    map[string]*guard // windows that run under conditions
	unread     time.Time         // until when inputs may have said nothing since the start; zero: none is waited for

	started  time.Time // wall of the newest node.started
	stopped  bool      // by node.stopped since
	last     time.Time // wall of the leaf before
	stepped  bool      // the leaf before was clock.stepped
	quiet    silence
	back     backwards
	next     audit.Index
	partial  bool // leaves are left out: a pack has those of one window alone
	agreed   int64
	readings int64
	sealing  string // mode of recordings, by the newest recording.mode; empty: readable
	void     int64
	unknown  map[string]int64 // event types that this build does not know
}

// backwards counts how often the wall clock ran back without clock.stepped.
type backwards struct {
	times int64
	first audit.Index
	by    time.Duration
}

// silence is a time in which nothing was written.
type silence struct{ from, to time.Time }

// NewWalk begins before leaf 0.
func NewWalk(docs Documents) *Walk {
	return &Walk{
		docs:     docs,
		access:   map[string]*access{},
		agents:   map[string]*agentSeen{},
		backups:  map[policy.AssetName]time.Time{},
		been:     map[string]bool{},
		blocks:   map[string]*blocked{},
		certs:    map[string]audit.CertIssued{},
		changes:  map[string]*change{},
		duty:     duties{},
		firms:    map[string]*firm{},
		gates:    map[string]gateWord{},
		guarded:  map[string]*guard{},
		handed:   map[string]*handover{},
		invited:  map[audit.Hash]*invitation{},
		kiosks:   map[string]*kiosk{},
		outages:  map[string]*outage{},
		owed:     map[string]bool{},
		owing:    NewOwing(),
		owners:   map[string]string{},
		patterns: map[string]*pattern{},
		people:   map[string]*person{},
		plants:   map[audit.Hash]*policy.Plant{},
		removed:  map[string]bool{},
		requests: map[string]*asked{},
		revs:     map[string]uint64{},
		sealed:   map[string]*sealedIn{},
		sessions: map[string]*session{},
		spoken:   map[string]*spokenYes{},
		unknown:  map[string]int64{},
		windows:  map[string]*window{},
		words:    map[string]bool{},
	}
}

// Leaf judges the next leaf and returns what is wrong with it.
func (w *Walk) Leaf(ctx context.Context, leaf audit.Leaf) (findings []string) {
	w.ctx, w.leaf, w.wrong = ctx, leaf, nil
	w.clock()
	w.partial = w.partial || leaf.Index > w.next
	if w.began.IsZero() {
		w.began = leaf.Wall
	}
	_, created := leaf.Body.(audit.LogCreated)
	w.must(created == (leaf.Index == 0), "log.created is the first leaf of a log and no other")
	w.overdue()
	if w.follows() {
		w.judge()
		w.owing.Leaf(leaf)
	}
	w.next = leaf.Index + 1
	w.last = leaf.Wall
	return w.wrong
}

// Notes returns what is to be known, and is no fault, since the last call.
func (w *Walk) Notes() []string {
	notes := w.notes
	w.notes = nil
	return notes
}

// Done judges what never came, and counts the windows that were agreed.
func (w *Walk) Done(ctx context.Context) (windows int64, findings []string) {
	w.ctx, w.wrong = ctx, nil
	w.unended()
	w.unclosed()
	w.unrung()
	if w.readings > 0 {
		w.note("readings of recordings: %d, each by an event (review.opened)", w.readings)
	}
	if w.filed > 0 {
		w.note("the plant file was changed %d times by who could write it on the broker (plant_changes: by_file), and not by an agreed change", w.filed)
	}
	w.unconfirmed()
	w.unsigned()
	if w.void > 0 {
		w.note("%d leaves are void: another change of the same row came before them", w.void)
	}
	if w.back.times > 0 {
		w.note("the wall clock ran back %d times without clock.stepped, first at leaf %d by %s", w.back.times, w.back.first, w.back.by)
	}
	for name, n := range w.unknown {
		w.note("%d leaves of type %s are not known to this build and were not judged", n, short(name))
	}
	return w.agreed, w.wrong
}

// must adds a finding that names the leaf, unless it is so.
func (w *Walk) must(is bool, format string, args ...any) bool {
	if !is {
		w.wrong = append(w.wrong, w.place()+fmt.Sprintf(format, args...))
	}
	return is
}

func (w *Walk) note(format string, args ...any) {
	w.notes = append(w.notes, fmt.Sprintf(format, args...))
}

func (w *Walk) noteHere(format string, args ...any) {
	w.note("%s%s", w.place(), fmt.Sprintf(format, args...))
}

func (w *Walk) place() string {
	name := ""
	if w.leaf.Body != nil {
		name = w.leaf.Body.Type()
	}
	return fmt.Sprintf("leaf %d (%s %s): ", w.leaf.Index, short(name), short(w.leaf.Subject))
}

// clock compares the wall clock with the leaf before, and keeps the longest
// silence of the last lookTime.
func (w *Walk) clock() {
	_, steps := w.leaf.Body.(audit.ClockStepped)
	if d := w.last.Sub(w.leaf.Wall); d > 0 && !steps && !w.stepped {
		if w.back.times == 0 {
			w.back.first, w.back.by = w.leaf.Index, d
		}
		w.back.times++
	}
	w.stepped = steps
	gap := w.leaf.Wall.Sub(w.last)
	if w.last.IsZero() || gap <= settleTime {
		return
	}
	if gap >= w.quiet.to.Sub(w.quiet.from) || w.leaf.Wall.After(w.quiet.to.Add(lookTime)) {
		w.quiet = silence{w.last, w.leaf.Wall}
	}
}

// keepsState: these events change rows, so they have a revision or mean nothing.
func keepsState(body audit.Body) bool {
	switch b := body.(type) {
	case audit.PersonAsked:
		return b.For != ""
	case audit.LogCreated, audit.RequestSubmitted, audit.RequestRevised, audit.RequestWithdrawn, audit.RequestUnanswered, audit.RequestWoken,
		audit.AnswerGiven, audit.WindowAgreed, audit.WindowMoved, audit.EscortChanged, audit.HandoverOffered, audit.HandoverAccepted, audit.HandoverRang, audit.HandbackGiven, audit.HandbackAccepted, audit.LeftNoted, audit.LeftDue, audit.LeftRang, audit.LeftGone,
		audit.BlockSet, audit.BlockLifted, audit.PlantProposed, audit.PlantAnswered, audit.PlantMoved,
		audit.PatternProposed, audit.PatternAnswered, audit.PatternMoved, audit.PatternDoubted, audit.SpokenSigned, audit.SpokenMissed, audit.SpokenCleared, audit.FirmChanged, audit.FirmEnded, audit.AnswerWithdrawn, audit.PersonInvited, audit.PersonJoined,
		audit.PersonConfirmed, audit.PersonChanged, audit.PersonDisabled, audit.KeyEnrolled, audit.KeyVouched, audit.KeyRemoved,
		audit.IslandAnswered, audit.OutageWritten, audit.OutageWithdrawn, audit.KioskEnrolled, audit.KioskRevoked, audit.AgentInvited, audit.AgentJoined, audit.AgentConfirmed, audit.AgentRemoved,
		audit.RosterWritten, audit.DeputyNamed, audit.DeputyEnded, audit.CallMade, audit.CallAnswered, audit.QuestionAnswered, audit.PriorityChanged, audit.AssetBackup, audit.DebtOpened, audit.DebtClosed:
		return true
	case audit.FileHeld, audit.FileMoved:
		return true
	case audit.TermsAccepted, audit.TrainingNoted, audit.EndingTold, audit.AccessListed, audit.AccessSigned, audit.AccountLinked:
		return true
	case audit.SecretSealed, audit.SecretShown, audit.SecretRotating, audit.SecretRotated, audit.SecretKept,
		audit.HostKeyChanged, audit.HostKeyAccepted, audit.HostKeyConfirmed, audit.HostKeyCleared:
		return true
	case audit.EnvelopeSealed, audit.EnvelopeOpened, audit.EnvelopeVoided, audit.PersonSuspended:
		return true
	case audit.GateChanged: // an input keeps no state
		return b.By != "" || b.Window != ""
	}
	return false
}

// follows says whether the leaf counts: replay passes over a leaf whose
// revision is not one above its row's (state.Journal), and so does this.
func (w *Walk) follows() bool {
	if !keepsState(w.leaf.Body) && len(w.leaf.Rows) == 0 {
		return true
	}
	if !w.must(w.leaf.Rev > 0 && len(w.leaf.Rows) > 0, "it changes state and names no row and revision") {
		return false
	}
	if !w.oneAbove() {
		w.void++
		w.noteHere("void: revision %d does not follow", w.leaf.Rev)
		return false
	}
	for key := range w.leaf.Rows {
		w.revs[key]++
	}
	return true
}

// oneAbove: of the row that is named like the subject; where none is, of any.
func (w *Walk) oneAbove() bool {
	own, any := 0, false
	for key := range w.leaf.Rows {
		fits := w.revs[key]+1 == w.leaf.Rev
		if _, id, _ := strings.Cut(key, "/"); id == w.leaf.Subject {
			own++
			if fits {
				return true
			}
		}
		any = any || fits
	}
	return own == 0 && any
}

// judge gives the leaf to whom it concerns. Bodies of people are in
// walk_people.go, changes of the plant file in walk_plant.go, patterns in walk_pattern.go, requests and windows in
// walk_request.go, walk_answer.go and walk_window.go, the rest in walk_session.go.
func (w *Walk) judge() {
	if by, named := author(w.leaf.Body); named {
		w.must(w.leaf.Actor == by, "%s did it, and the leaf says %s", short(w.leaf.Actor), short(by))
	}
	switch b := w.leaf.Body.(type) {
	case audit.LogCreated:
		w.created(b)
	case audit.NodeStarted:
		w.started, w.stopped = w.leaf.Wall, false
		w.forgetInputs()
	case audit.NodeStopped:
		w.stopped = true
	case audit.BlockSet:
		w.blockSet(b)
	case audit.BlockLifted:
		w.blockLifted(b)
	case audit.IslandAnswered:
		w.islandAnswered(b)
	case audit.KioskEnrolled:
		w.kioskEnrolled(b)
	case audit.KioskRevoked:
		w.kioskRevoked(b)
	case audit.OutageWritten:
		w.outageWritten(b)
	case audit.OutageWithdrawn:
		w.outageWithdrawn(b)
	case audit.AssetBackup:
		w.backedUp(b)
	case audit.DebtOpened:
		w.owes(b.Items, true)
	case audit.DebtClosed:
		w.owes(b.Items, false)
	case audit.MeasureBaseline:
		w.must(w.leaf.Actor == b.By && w.plantPerson(b.By), "entered by %s, who is nobody of the plant", short(b.By))
	case audit.MeasureMinutes:
		w.must(w.leaf.Actor == b.By && w.plantPerson(b.By), "entered by %s, who is nobody of the plant", short(b.By))
	case audit.ReviewOpened:
		w.readings++
	case audit.ReviewClosed: // changes nothing, and proves nothing
	case audit.RecordingMode:
		w.sealing = b.Mode
	case audit.SecretSealed, audit.SecretUsed, audit.SecretShown, audit.SecretRotating, audit.SecretRotated, audit.SecretKept:
		w.judgeSecret()
	case audit.HostKeyChanged, audit.HostKeyAccepted, audit.HostKeyConfirmed, audit.HostKeyCleared:
		w.judgeHostKey()
	case audit.TargetChecked:
		w.must(w.leaf.Actor == b.By && w.plantPerson(b.By), "looked at by %s, who is nobody of the plant", short(b.By))
	case audit.Unknown:
		w.unknown[b.Name]++
	default:
		if !w.judgeRecovery() && !w.judgeEnvelope() && !w.judgePeople() && !w.judgeAgents() && !w.judgeAccess() && !w.judgePlant() && !w.judgePattern() && !w.judgeSpoken() && !w.judgeDuty() && !w.judgeFile() && !w.judgeWindow() {
			w.judgeSession()
		}
	}
}

// author is whom a body names as who did it, which the leaf's actor must be. Not
// named: the body names nobody, or whoever judges it compares the two.
func author(body audit.Body) (by string, named bool) {
	switch b := body.(type) {
	case audit.FirmChanged:
		return b.By, true
	case audit.FirmEnded:
		return b.By, true
	case audit.PersonInvited:
		return b.By, true
	case audit.PersonJoined:
		return b.Person, true
	case audit.PersonConfirmed:
		return b.By, true
	case audit.PersonChanged:
		return b.By, true
	case audit.PersonDisabled:
		return b.By, true
	case audit.AccountLinked:
		return b.By, true
	case audit.TrainingNoted:
		return b.By, true
	case audit.KeyEnrolled:
		return b.By, true
	case audit.KeyRemoved:
		return b.By, true
	case audit.BlockSet:
		return b.By, true
	case audit.BlockLifted:
		return b.By, true
	case audit.AgentInvited:
		return b.By, true
	case audit.AgentConfirmed:
		return b.By, true
	case audit.AgentRemoved:
		return b.By, true
	case audit.DeputyEnded:
		return b.By, true
	case audit.RequestWithdrawn:
		return b.By, true
	case audit.RequestWoken:
		return b.By, true
	case audit.HandbackGiven:
		return b.By, true
	case audit.HandbackAccepted:
		return b.By, true
	case audit.LeftNoted:
		return b.By, true
	case audit.LeftDue:
		return b.By, true
	case audit.LeftGone:
		return b.By, true
	}
	return "", false
}

// plant is the plant file with this hash, out of the documents. The newest few
// are kept parsed. nil is a finding already.
func (w *Walk) plant(h audit.Hash) *policy.Plant {
	if p, ok := w.plants[h]; ok {
		return p
	}
	doc := w.document("plant file", h)
	if doc == nil {
		return nil
	}
	p, problems := policy.ParseBundle(doc)
	if !w.must(problems.Err() == nil, "the plant file %s does not hold: %v", h, problems.Err()) {
		return nil
	}
	if len(w.plants) >= 8 {
		clear(w.plants)
	}
	w.plants[h] = p
	return p
}

// document reads what the leaf names; nil is a finding already.
func (w *Walk) document(what string, h audit.Hash) []byte {
	b, err := w.docs.Get(w.ctx, h)
	if !w.must(err == nil, "its %s cannot be read: %v", what, err) {
		return nil
	}
	if !w.must(audit.HashOf(b) == h, "its %s is not what the hash %s says", what, h) {
		return nil
	}
	return b
}
