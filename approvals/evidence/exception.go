package evidence

import (
	"errors"
	"slices"
	"time"

	"penstock/audit"
	"penstock/policy"
)

// exception: it is agreed by itself, and says what it waives.
func (r Request) exception() error {
	if r.Kind != Exception {
		return nil
	}
	if r.Called || r.Outage != "" || !r.Pattern.IsZero() || !r.Red.IsZero() || len(r.Waives) == 0 {
		return errors.New("an exception says what it waives; it is no call-in, stands on no outage's list, under no pattern and has no red item")
	}
	return nil
}

// excepted are what would refuse a request that is an exception, computed: the
// calendars that say no at some time in its span, and the rules' longest.
func excepted(plant *policy.Plant, r Request, assets []policy.AssetName, rights policy.Rights) (what []string) {
	what = plant.Waived(assets, rights, r.From, r.To)
	if q, err := plant.Quorum(assets, rights); err == nil && time.Duration(r.Minutes)*time.Minute > q.Longest {
		what = append(what, policy.Overlong)
	}
	slices.Sort(what)
	return what
}

// exceptionQuorum is who agrees to an exception. Where its minutes fit the rules'
// longest that is not waived, and no extension passes it.
func exceptionQuorum(plant *policy.Plant, r Request, assets []policy.AssetName, rights policy.Rights) (policy.Quorum, error) {
	targets, _ := r.ways()
	q, err := plant.ExceptionQuorum(targets, rights, policy.Within{From: r.From, To: r.To})
	if err != nil {
		return q, err
	}
	as, err := plant.Quorum(assets, rights)
	if time.Duration(r.Minutes)*time.Minute <= as.Longest {
		q.Longest = as.Longest
	}
	return q, err
}

// opensException tells of each that was opened.
func (w *Walk) opensException(b audit.WindowMoved, v *window) {
	if !v.claim.Exception {
		return
	}
	if text, err := ParseRequest(w.document("request", v.text)); err == nil {
		w.noteHere("%s is an exception: waived %q, because %q", b.Window, text.Waives, short(text.Reason))
	}
}
