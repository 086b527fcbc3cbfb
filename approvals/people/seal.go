package people

import "context"

// MaySeal gives somebody of the plant's security with a code of the last five
// minutes: for the secrets by which the broker logs in at targets.
func (r *Roster) MaySeal(ctx context.Context, by Actor) (Person, error) {
	p, err := r.giving(ctx, by)
	if err != nil {
		return p, err
	}
	if !r.isSecurity(p) {
		return p, refuse("not-security", "Only OT security handles the secrets of machines. Ask one of them.", "%s asked for a secret of a machine", by.Person)
	}
	return p, nil
}

// MaySee is nil for an active person of the plant.
func (r *Roster) MaySee(ctx context.Context, by Actor) error {
	_, err := r.plantPerson(ctx, by)
	return err
}
