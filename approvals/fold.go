package approvals

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// Fold makes rows request/…, answer/…, window/…, block/…, roster/…, change/… pattern/… and spoken/… of leaves. It uses
// the event's body and the documents that it names, and refuses a step that
// the tables do not list.
func Fold(docs *audit.Documents) state.Fold { return folder{docs}.fold }

type folder struct{ docs reads }

func (f folder) fold(ctx context.Context, rows state.Reader, leaf audit.Leaf) ([]state.Change, error) {
	if leaf.Rev == 0 {
		return nil, nil
	}
	switch leaf.Body.(type) {
	case audit.RequestSubmitted, audit.RequestRevised, audit.RequestWithdrawn, audit.RequestUnanswered, audit.RequestWoken:
		return f.request(ctx, rows, leaf)
	case audit.PersonAsked:
		return f.askedNext(ctx, rows, leaf)
	case audit.HostKeyChanged, audit.HostKeyAccepted, audit.HostKeyConfirmed, audit.HostKeyCleared:
		return f.hostKey(ctx, rows, leaf)
	case audit.PriorityChanged:
		return f.priority(ctx, rows, leaf)
	case audit.QuestionAnswered:
		return f.tell(ctx, rows, leaf)
	case audit.CallMade, audit.CallAnswered:
		return f.call(ctx, rows, leaf)
	case audit.AnswerGiven:
		return f.answer(ctx, rows, leaf)
	case audit.AnswerWithdrawn:
		return f.withdrawAnswer(ctx, rows, leaf)
	case audit.WindowAgreed:
		return f.agreed(ctx, rows, leaf)
	case audit.WindowMoved, audit.EscortChanged, audit.HandbackGiven, audit.HandbackAccepted, audit.LeftNoted, audit.LeftDue, audit.LeftRang, audit.LeftGone:
		return f.window(ctx, rows, leaf)
	case audit.GateChanged:
		return f.gate(ctx, rows, leaf)
	case audit.HandoverOffered, audit.HandoverAccepted, audit.HandoverRang:
		return f.handover(ctx, rows, leaf)
	case audit.PlantProposed, audit.PlantAnswered, audit.PlantMoved, audit.ConfigChanged:
		return f.change(ctx, rows, leaf)
	case audit.PatternProposed, audit.PatternAnswered, audit.PatternMoved, audit.PatternDoubted:
		return f.pattern(ctx, rows, leaf)
	case audit.SpokenSigned, audit.SpokenMissed, audit.SpokenCleared:
		return f.spoken(ctx, rows, leaf)
	case audit.BlockSet, audit.BlockLifted:
		return f.block(ctx, rows, leaf)
	case audit.OutageWritten, audit.OutageWithdrawn:
		return f.outage(ctx, rows, leaf)
	case audit.KioskEnrolled, audit.KioskRevoked:
		return f.kiosk(ctx, rows, leaf)
	case audit.IslandAnswered:
		return f.island(ctx, rows, leaf)
	case audit.DebtOpened, audit.DebtClosed:
		return f.debt(ctx, rows, leaf)
	case audit.AssetBackup:
		return f.asset(ctx, rows, leaf)
	case audit.FileHeld, audit.FileMoved:
		return f.file(ctx, rows, leaf)
	case audit.RosterWritten, audit.DeputyNamed, audit.DeputyEnded:
		return f.duty(ctx, rows, leaf)
	}
	return nil, nil
}

// stored is a row that a fold is about to change; rev 0 is a new one.
type stored[T any] struct {
	key   string
	rev   uint64
	value T
}

func load[T any](ctx context.Context, rows state.Reader, key string) (stored[T], error) {
	s := stored[T]{key: key}
	row, err := rows.Get(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("read row %s: %w", key, err)
	}
	s.rev = row.Rev
	return s, decode(row, &s.value)
}

func (s stored[T]) changed() ([]state.Change, error) {
	b, err := audit.Canonical(s.value)
	if err != nil {
		return nil, fmt.Errorf("row %s: %w", s.key, err)
	}
	return []state.Change{{Row: state.Row{Key: s.key, Rev: s.rev + 1, Value: b}}}, nil
}

// both joins the changes of two rows: both(a.changed())(b.changed()).
func both(a []state.Change, err error) func([]state.Change, error) ([]state.Change, error) {
	return func(b []state.Change, err2 error) ([]state.Change, error) {
		if err := errors.Join(err, err2); err != nil {
			return nil, err
		}
		return append(a, b...), nil
	}
}

func decode(row state.Row, v any) error {
	if err := json.Unmarshal(row.Value, v); err != nil {
		return fmt.Errorf("row %s: %w", row.Key, err)
	}
	return nil
}

// illegal is the refusal for a step that no table lists; it says what there is
// to do instead.
func illegal(id, from, to string) error {
	if from == "" {
		return &policy.Refusal{Rule: "illegal-step", Say: fmt.Sprintf("There is no %s.", id), Why: fmt.Sprintf("%s: from nothing to %s", id, to)}
	}
	say := fmt.Sprintf("%s is %s; from there it cannot become %s.", id, from, to)
	if from == to { // somebody was faster, or it was said twice
		say = fmt.Sprintf("%s is %s already.", id, from)
	}
	kind, _, _ := strings.Cut(id, "-")
	if next := instead[kind+" "+from]; next != "" {
		say += " " + next
	}
	return &policy.Refusal{Rule: "illegal-step", Say: say, Why: fmt.Sprintf("%s: from %s to %s", id, from, to)}
}

var instead = map[string]string{
	"R agreed":     "Its window can be opened, or ended or cut once it is open.",
	"R refused":    "Ask anew.",
	"R withdrawn":  "Ask anew.",
	"R unanswered": "Ask anew.",
	"P refused":    "Propose it anew.",
	"P withdrawn":  "Propose it anew.",
	"P unanswered": "Propose it anew.",
	"P ended":      "Agree it again: propose it anew.",
	"P review":     "It stands again once it is agreed again.",
	"W agreed":     "It is not open yet: open it, cut it, or withdraw its request.",
	"W open":       "It can be paused, extended, ended or cut.",
	"W paused":     "Let it go on, end it or cut it.",
	"W ending":     "It ends by itself when its transfer is done; or cut it.",
	"W ended":      "Its hand-back is what remains.",
	"W cut":        "Its hand-back is what remains.",
	"W closed":     "It is over: ask anew.",
	"W unused":     "It is over: ask anew.",
}

type none struct{}

// mostTries bounds how often a change that others overtook is tried again.
const mostTries = 32

// again runs a step anew while others were faster.
func again[T any](step func() (T, error)) (T, error) {
	for try := 1; ; try++ {
		v, err := step()
		if !errors.Is(err, state.ErrConflict) || try == mostTries {
			return v, err
		}
	}
}

// asRefusal keeps a refusal as it is and makes one of another error's text.
func asRefusal(rule string, err error) error {
	var r *policy.Refusal
	if errors.As(err, &r) {
		return r
	}
	return &policy.Refusal{Rule: rule, Say: err.Error(), Why: err.Error()}
}

// because is an error as a person reads it inside a sentence.
func because(err error) string {
	if r, ok := errors.AsType[*policy.Refusal](err); ok {
		return strings.TrimSuffix(r.Say, ".")
	}
	return err.Error()
}
