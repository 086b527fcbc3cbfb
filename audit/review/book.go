package review

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"penstock/audit"
	"penstock/audit/recording"
)

// Log is where readings are written: durable on return.
type Log interface {
	Append(context.Context, audit.Event) (audit.Leaf, error)
}

// Reader is the person who reads, proved by the caller, and what for.
type Reader struct {
	Person string
	Roles  []string
	What   string // list, play, export, verify, watch, search, unseal
	Form   string // of an export: asciicast-v3, asciicast-v2, text, raw; raw-in and pcapng hold what the vendor sent
	Input  Input  // what of the vendor's typing is in it; the event says "+input" or "+input+unmasked"
	Holder string // the sign-in for which sealed recordings were opened (Unseal); empty: none
}

// Input is how much of what the vendor typed and sent a reading shows. Any is a
// right of its own (Book.Typed).
type Input int

const (
	NoInput  Input = iota
	Masked         // lines that the screen showed; the others as dots
	Unmasked       // every byte, passwords too
	Inherent       // the form holds it by its nature, as raw-in and pcapng do
)

// ErrNoInput is returned, wrapped, to a reader who may not see what was typed.
var ErrNoInput = errors.New("this person may read recordings, and not what was typed in them")

// ErrMayNot is returned, wrapped, to a person whose roles do not include a reading one.
var ErrMayNot = errors.New("this person may not read recordings")

// Book opens recordings for people. Safe for concurrent use.
type Book struct {
	archive *recording.Archive
	log     Log
	may     func(roles []string) bool
	watches func(roles []string, asset string) bool
	typed   func(roles []string) bool
	ring    ring
	house   House // set once, before use

	mu      sync.Mutex // steps of reviews, holds and expiry follow each other; held while their events are written
	history *History

	listed  listings
	playing playings
}

// NewBook: may says whether one of the roles reads recordings; it is the plant
// file's word (policy.Plant.MayRead). A nil may lets nobody read.
func NewBook(a *recording.Archive, log Log, may func(roles []string) bool) *Book {
	return &Book{archive: a, log: log, may: may}
}

// Typed says who may see what the vendor typed; it is the plant file's word
// (policy.Plant.MayReadInput). Until it is called nobody may.
func (b *Book) Typed(may func(roles []string) bool) { b.typed = may }

// MayRead is the plant file's word on who reads recordings, with no event: for
// what is under way.
func (b *Book) MayRead(who Reader) bool { return b.reads(who) }

// MaySeeInput is Typed's word, with no event: for a link.
func (b *Book) MaySeeInput(who Reader) bool {
	return who.Person != "" && b.typed != nil && b.typed(who.Roles)
}

// Read writes review.opened, durable, and then opens the recording. A failing
// log opens nothing. ErrMayNot for a person without a reading role,
// ErrNoInput for one who asks for typing without that right;
// fs.ErrNotExist, with the event written, for a session without a recording
// (a *Refused where the recording is gone), and recording.ErrSealed for one that nobody has opened here (Unseal).
func (b *Book) Read(ctx context.Context, who Reader, session string) (*recording.Reader, error) {
	if !slices.Contains([]string{"play", "export", "verify"}, who.What) {
		return nil, fmt.Errorf("read a recording: %q is no way to read one", who.What)
	}
	if who.Input != NoInput && !b.MaySeeInput(who) && b.may != nil && b.may(who.Roles) {
		return nil, fmt.Errorf("read the recording of %.100q: %w", session, ErrNoInput)
	}
	who.Form += map[Input]string{Masked: "+input", Unmasked: "+input+unmasked"}[who.Input]
	if err := b.enter(ctx, who, session); err != nil {
		return nil, fmt.Errorf("read the recording of %q: %w", session, err)
	}
	r, err := b.open(who, session)
	return r, b.gone(ctx, session, err)
}

// gone says by what a recording went, where that is why it is not there.
func (b *Book) gone(ctx context.Context, session string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) || b.history == nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.catchUp(ctx) != nil {
		return err
	}
	s := b.history.Session(session)
	if s == nil || s.Gone == nil {
		return err
	}
	by := "its retention, " + s.Gone.Rule
	if s.Gone.By != "" {
		by = fmt.Sprintf("%s and %s", s.Gone.Asked, s.Gone.By)
	}
	return refuse("gone", "The recording of %s is gone since %s, by %s. What the log says of the session stays.", s.ID, s.Gone.At.Format("2 Jan 2006"), by)
}

// List writes review.opened{list} and then names the recorded sessions, oldest
// first. The same list for the same person within ten minutes is one event.
func (b *Book) List(ctx context.Context, who Reader) ([]recording.Header, error) {
	who.What, who.Form = "list", ""
	if err := b.enter(ctx, who, ""); err != nil {
		return nil, fmt.Errorf("list recordings: %w", err)
	}
	return b.archive.List()
}

// Searching writes review.opened{search} with what is looked for, durable; only
// then the caller looks. Every search is an event of its own.
func (b *Book) Searching(ctx context.Context, who Reader, query string) error {
	who.What, who.Form = "search", query
	if err := b.enter(ctx, who, ""); err != nil {
		return fmt.Errorf("search recordings: %w", err)
	}
	return nil
}

// Look is List for one session: what is known around its recording, whose bytes
// are Read's to open. fs.ErrNotExist, with the event written, where there is none, a *Refused where it is gone.
func (b *Book) Look(ctx context.Context, who Reader, session string) (recording.Header, error) {
	who.What, who.Form = "list", ""
	if err := b.enter(ctx, who, session); err != nil {
		return recording.Header{}, fmt.Errorf("look at the recording of %.40q: %w", session, err)
	}
	h, err := b.archive.Header(session)
	return h, b.gone(ctx, session, err)
}

// enter is the one gate: a right, then the event. who reads is text of the
// caller's; session is what was asked for, cut to what fits a leaf.
func (b *Book) enter(ctx context.Context, who Reader, session string) error {
	if who.Person == "" || b.may == nil || !b.may(who.Roles) {
		return ErrMayNot
	}
	if who.What == "list" && b.listed.before(who, session, b.now()) {
		return nil
	}
	if err := b.write(ctx, who, session); err != nil {
		return err
	}
	if who.What == "list" {
		b.listed.note(who, session, b.now())
	}
	return nil
}

func (b *Book) now() time.Time {
	if b.house.Now != nil {
		return b.house.Now()
	}
	return time.Now()
}

// listAgain is how long the same list, shown again to the same person, is the
// same listing: pages are loaded again and again, and nothing new is learnt.
const listAgain = 10 * time.Minute

const mostListings = 10_000

// listings are who was shown which list when.
type listings struct {
	mu   sync.Mutex
	seen map[[3]string]time.Time
}

func listing(who Reader, session string) [3]string { return [3]string{who.Person, who.Form, session} }

func (l *listings) before(who Reader, session string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, ok := l.seen[listing(who, session)]
	return ok && now.Sub(at).Abs() < listAgain
}

// note is called when the event is durable, so that a failed log is asked again.
func (l *listings) note(who Reader, session string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen == nil || len(l.seen) >= mostListings {
		l.seen = map[[3]string]time.Time{}
	}
	l.seen[listing(who, session)] = now
}

func (b *Book) write(ctx context.Context, who Reader, session string) error {
	if len(session) > 100 {
		session = strings.ToValidUTF8(session[:100], "")
	}
	body := audit.ReviewOpened{Session: session, Person: who.Person, What: who.What, Form: who.Form}
	if _, err := b.log.Append(ctx, audit.Event{Subject: session, Actor: who.Person, Body: body}); err != nil {
		return fmt.Errorf("nothing is opened, because the log could not be told: %w", err)
	}
	return nil
}
