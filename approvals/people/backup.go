package people

import "context"

// MayBackUp is nil for somebody of the plant's security with a code of the
// last five minutes: a backup is a copy of everything.
func (r *Roster) MayBackUp(ctx context.Context, by Actor) error {
	p, err := r.giving(ctx, by)
	if err != nil {
		return err
	}
	if !r.isSecurity(p) {
		return refuse("not-security", "Only OT security takes a backup: it is a copy of everything. Ask one of them.", "%s asked for a backup", by.Person)
	}
	return nil
}
