package review

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"penstock/audit"
)

// Verdicts on a recording.
const (
	InOrder  = "in-order"
	Question = "question"
	Finding  = "finding"
)

// MaxText is the most characters of a note, a verdict's text, a reply or a reason.
const MaxText = 500

// Refused is a no in words for the person, with the name of the rule.
type Refused struct{ Rule, Say string }

func (r *Refused) Error() string { return r.Rule + ": " + r.Say }

func refuse(rule, format string, a ...any) error { return &Refused{rule, fmt.Sprintf(format, a...)} }

// text is what somebody wrote, on one line and fit to be shown; empty is an error where need is set.
func text(s string, need bool) (string, error) {
	s = strings.TrimSpace(s)
	if s == "" && need {
		return "", refuse("text-missing", "Say it in a sentence: a text is needed here.")
	}
	if !utf8.ValidString(s) || utf8.RuneCountInString(s) > MaxText {
		return "", refuse("text-too-long", "At most %d characters, please. Say the rest elsewhere and name the place.", MaxText)
	}
	bad := func(r rune) bool { return !unicode.IsPrint(r) && r != '\n' && r != '\t' && r != '\r' }
	if strings.ContainsFunc(s, bad) {
		return "", refuse("text-hidden", "The text has characters that cannot be seen. Type it anew.")
	}
	return strings.Join(strings.Fields(s), " "), nil
}

// Opinion is a verdict as a reader gives it. Seen is how many verdicts the
// reader's page showed: of a page gone stale nothing is taken.
type Opinion struct {
	Verdict, To, Text string
	Seen              int
}

// Sign takes a second person's verdict: review.signed, durable. *Refused for who
// had a part in the session, who answers a page gone stale, and a session that
// has not ended; ErrMayNot for who reads no recordings.
func (b *Book) Sign(ctx context.Context, who Reader, session string, o Opinion) (Session, error) {
	if verdictWords[o.Verdict] == "" { // first: a wrong word is not mended by a text
		return Session{}, refuse("no-verdict", "Say in-order, question or finding.")
	}
	words, err := text(o.Text, o.Verdict != InOrder)
	if err != nil {
		return Session{}, err
	}
	return b.judge(ctx, who, session, func(s *Session) (audit.Body, error) {
		if err := b.second(s, who); err != nil {
			return nil, err
		}
		if err := verdictFits(s, who, o); err != nil {
			return nil, err
		}
		body := audit.ReviewSigned{Session: s.ID, Person: who.Person, Verdict: o.Verdict, Text: words, Close: s.Close}
		if o.Verdict != InOrder {
			body.Thread = len(s.Threads) + 1
		}
		if o.Verdict == Question {
			body.To = o.To
		}
		return body, nil
	})
}

// second refuses who is no second person.
func (b *Book) second(s *Session, who Reader) error {
	if part := b.history.Part(s, who.Person); part != "" {
		return refuse("second-person", "%s, so somebody else must review it.", part)
	}
	return nil
}

func verdictFits(s *Session, who Reader, o Opinion) error {
	switch {
	case s.Ended.IsZero():
		return refuse("not-ended", "%s has not ended. Watch it, and review it afterwards.", s.ID)
	case s.Gone != nil:
		return refuse("gone", "The recording of %s is gone. There is nothing to review.", s.ID)
	case o.Verdict == Question && (o.To == "" || o.To == who.Person):
		return refuse("question-to", "Say to whom the question is: somebody else of the plant.")
	case o.Seen != len(s.Verdicts) && len(s.Verdicts) > 0:
		v := s.Verdicts[len(s.Verdicts)-1]
		if v.Person == who.Person {
			return refuse("decided-meanwhile", "Your %s stands already.", verdictWords[v.Verdict])
		}
		return refuse("decided-meanwhile", "Meanwhile %s has said: %s. Look again, then decide.", v.Person, verdictWords[v.Verdict])
	case len(s.Threads) >= mostThreads && o.Verdict != InOrder:
		return refuse("too-many", "%s has %d questions and findings. Go on in one of them.", s.ID, mostThreads)
	}
	return nil
}

const (
	mostThreads = 50
	mostReplies = 200
	mostNotes   = 500
)

var verdictWords = map[string]string{InOrder: "in order", Question: "question", Finding: "finding"}

// Note writes a note for one moment of a channel.
func (b *Book) Note(ctx context.Context, who Reader, session string, channel int, at time.Duration, words string) (Session, error) {
	words, err := text(words, true)
	if err != nil {
		return Session{}, err
	}
	return b.judge(ctx, who, session, func(s *Session) (audit.Body, error) {
		switch {
		case !s.channels[channel] || at < 0 || at > 366*24*time.Hour:
			return nil, refuse("no-such-moment", "%s has no such channel or moment. Take both from the player.", s.ID)
		case len(s.Notes) >= mostNotes:
			return nil, refuse("too-many", "%s has %d notes, and no more are taken. Write what is left into a finding.", s.ID, mostNotes)
		}
		return audit.ReviewNoted{Session: s.ID, Person: who.Person, Channel: channel, Millis: at.Milliseconds(), Text: words}, nil
	})
}

// Reply goes on with a question or a finding: by whoever reads recordings, or
// the person asked. Only a second person settles it. seen is how many replies the page showed.
func (b *Book) Reply(ctx context.Context, who Reader, session string, thread int, words string, settle bool, seen int) (Session, error) {
	words, err := text(words, true)
	if err != nil {
		return Session{}, err
	}
	return b.step(ctx, who, session, func(s *Session) (audit.Body, error) {
		if thread < 1 || thread > len(s.Threads) {
			return nil, refuse("no-such-thread", "%s has no such question or finding. Look at its page again.", s.ID)
		}
		t := s.Threads[thread-1]
		if t.To != who.Person && !b.reads(who) {
			return nil, ErrMayNot
		}
		switch {
		case t.Settled:
			return nil, refuse("settled", "It was settled by %s. Sign another finding if there is more.", t.Replies[len(t.Replies)-1].Person)
		case len(t.Replies) >= mostReplies:
			return nil, refuse("too-many", "There are %d replies. Settle it.", mostReplies)
		case seen != len(t.Replies):
			return nil, refuse("decided-meanwhile", "Meanwhile %s has replied. Look again, then decide.", t.Replies[len(t.Replies)-1].Person)
		case settle && !b.reads(who):
			return nil, refuse("not-yours", "Who reads recordings settles it. Reply, and they will.")
		case settle:
			if err := b.second(s, who); err != nil {
				return nil, err
			}
		}
		return audit.ReviewReplied{Session: s.ID, Thread: thread, Person: who.Person, Text: words, Settled: settle}, nil
	})
}

// The fold's side of the same rules.

func (h *History) noted(leaf audit.Leaf, b audit.ReviewNoted) error {
	s := h.sessions[b.Session]
	if s == nil {
		return errUnknown(b.Session)
	}
	s.Notes = append(s.Notes, Note{b, leaf.Wall})
	return nil
}

func errUnknown(session string) error { return fmt.Errorf("no session %.40q was admitted", session) }

func (h *History) signed(leaf audit.Leaf, b audit.ReviewSigned) error {
	s := h.sessions[b.Session]
	switch {
	case s == nil:
		return errUnknown(b.Session)
	case s.Ended.IsZero():
		return errors.New("the session had not ended")
	case b.Close != s.Close:
		return errors.New("it names another closing hash than session.ended")
	case !slices.Contains([]string{InOrder, Question, Finding}, b.Verdict):
		return fmt.Errorf("%.20q is no verdict", b.Verdict)
	}
	if part := h.Part(s, b.Person); part != "" {
		return fmt.Errorf("%s is no second person: %s", b.Person, strings.ToLower(part[:1])+part[1:])
	}
	v := Verdict{b, leaf.Wall}
	if b.Verdict != InOrder {
		if b.Thread != len(s.Threads)+1 {
			return fmt.Errorf("it opens thread %d, and the next is %d", b.Thread, len(s.Threads)+1)
		}
		s.Threads = append(s.Threads, Thread{Verdict: v})
	}
	s.Verdicts = append(s.Verdicts, v)
	return nil
}

func (h *History) replied(leaf audit.Leaf, b audit.ReviewReplied) error {
	s := h.sessions[b.Session]
	if s == nil {
		return errUnknown(b.Session)
	}
	if b.Thread < 1 || b.Thread > len(s.Threads) || s.Threads[b.Thread-1].Settled {
		return fmt.Errorf("%s has no open thread %d", b.Session, b.Thread)
	}
	if part := h.Part(s, b.Person); b.Settled && part != "" {
		return fmt.Errorf("%s settles it and is no second person", b.Person)
	}
	t := &s.Threads[b.Thread-1]
	t.Replies, t.Settled = append(t.Replies, Reply{b, leaf.Wall}), b.Settled
	return nil
}
