package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"penstock/policy"
)

// Names says whether one of the session's windows is for the asset at all, by
// whatever port and account: nil, or a *policy.Refusal that does not tell
// machines of other windows from machines that are not there. It allows
// nothing: each channel still asks (Open).
func (s *Session) Names(ctx context.Context, a policy.AssetName) error {
	fault := error(nil)
	for _, st := range s.stays {
		f, err := s.facts(ctx, st.window)
		if err != nil {
			fault = err
			continue
		}
		if f.Window.Over == "" && slices.ContainsFunc(f.Window.Targets, func(t policy.Target) bool { return t.Asset == a }) {
			return nil
		}
	}
	if s.over.Load() {
		return s.cause()
	}
	if no := (*policy.Refusal)(nil); fault != nil && !errors.As(fault, &no) {
		return fault
	}
	return &policy.Refusal{Rule: "target-not-in-window",
		Say: fmt.Sprintf("none of your open windows is for %q; look at what you have with: desk windows", a),
		Why: fmt.Sprintf("%s is not among the targets of the session's windows", a)}
}
