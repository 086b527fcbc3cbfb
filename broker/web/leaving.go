package web

import (
	"context"
	"fmt"
	"io"
	"time"

	"penstock/approvals/people"
	"penstock/audit/review"
	"penstock/policy"
)

// A recording or a pack that leaves the house takes as long as its reader's line.
// What was right when it began is asked again on the way: every leavingBytes, and
// where little passes every watchLook.
const leavingBytes = 256 << 10

// leaving passes on what somebody reads, while they may.
type leaving struct {
	to     io.Writer
	may    func() error
	looked time.Time
	passed int // bytes since then
	over   error
}

// inContract refuses somebody whose firm's contract is over: pages and API are
// closed to them, whatever sign-in they have. What is still to be handed back goes
// by their key: desk@.
func (p *Parts) inContract(ctx context.Context, who people.Person) error {
	f, err := p.Roster.Firm(ctx, who.Firm)
	if err != nil {
		return fmt.Errorf("look up the firm of %s: %w", who.ID, err)
	}
	now := time.Now()
	if p.Now != nil {
		now = p.Now()
	}
	if f.Plant || f.Until.IsZero() || now.Before(f.Until) {
		return nil
	}
	return &policy.Refusal{Rule: "firm-ended", Say: "Your firm's contract here has ended, and with it your sign-in. What is still to be handed back goes by your key: ssh desk@… handback. Else call your contact at the plant.",
		Why: fmt.Sprintf("the contract of %s ended %s", f.ID, f.Until)}
}

// leaves is to, for as long as who asked is not disabled, and has the rights with
// which they began.
func (p *Parts) leaves(ctx context.Context, to io.Writer, who review.Reader) io.Writer {
	return &leaving{to: to, looked: time.Now(), may: func() error {
		is, err := p.Roster.Person(ctx, policy.PersonID(who.Person))
		if err != nil {
			return err
		}
		now := who
		now.Roles = words(is.Roles)
		switch {
		case is.Disabled:
			return errSignedOut
		case !p.Book.MayRead(now):
			return review.ErrMayNot
		case who.Input != review.NoInput && !p.Book.MaySeeInput(now):
			return review.ErrNoInput
		}
		return nil
	}}
}

func (l *leaving) Write(b []byte) (int, error) {
	if l.over == nil && (l.passed >= leavingBytes || time.Since(l.looked) >= watchLook) {
		l.over = l.may()
		l.passed, l.looked = 0, time.Now()
	}
	if l.over != nil {
		return 0, l.over
	}
	n, err := l.to.Write(b)
	l.passed += n
	return n, err
}
