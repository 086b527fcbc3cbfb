package evidence

import (
	"errors"
	"fmt"

	"penstock/audit"
	"penstock/policy"
)

// atMachine is who agrees to work on site: whoever the rules name for its rights.
// Somebody on shift always opens it, because a person must see the laptop there;
// and no transfer is known here that a grace could let finish.
func atMachine(q policy.Quorum) policy.Quorum {
	q.Open, q.Grace = "shift", 0
	return q
}

// onSite: a laptop belongs to work on site, and only to it; a call-in's code, an
// outage's list and files that wait are for connections.
func (r Request) onSite() error {
	if r.Kind != OnSite {
		if r.Laptop != "" || r.Jack != "" {
			return errors.New("laptop, jack: belong to work on site, and only to it")
		}
		return nil
	}
	err := errors.Join(filled("laptop", r.Laptop, maxName), jackOf(r.Laptop, r.Jack))
	if r.Called || r.Outage != "" || len(r.FileHashes) > 0 || !r.Pattern.IsZero() {
		err = errors.Join(err, errors.New("work on site is no call-in, stands on no outage's list, under no pattern and names no files"))
	}
	return err
}

// jackOf: a jack is for a laptop.
func jackOf(laptop, jack string) error {
	if jack == "" {
		return nil
	}
	if laptop == "" {
		return errors.New("jack: is for a laptop, and none is named")
	}
	return name("jack", jack)
}

// throughJack is who agrees to work through a service jack: as from outside, and
// somebody on shift opens it, because a person must see the laptop there.
func throughJack(q policy.Quorum) policy.Quorum {
	q.Open = "shift"
	return q
}

// targetsOf reads where work is done: ways in; on site, machines alone.
func targetsOf(onSite bool) func(field string, list []Target) error {
	if !onSite {
		return targets
	}
	return func(field string, list []Target) error {
		err := places(field, list)
		for i, t := range list {
			if t.Port != "" || t.Account != "" {
				err = errors.Join(err, fmt.Errorf("%s[%d]: work on site names the machine alone", field, i))
			}
		}
		return err
	}
}

// opensOnSite says what the log cannot: nothing of such work passes the broker.
func (w *Walk) opensOnSite(b audit.WindowMoved, v *window) {
	if v.claim.Jack != "" {
		w.noteHere("%s is on site, recorded: %q with the laptop %q at the service jack %s", b.Window, v.claim.People, v.claim.Laptop, v.claim.Jack)
	}
	if v.claim.OnSite() {
		w.noteHere("%s is on site, not recorded: %q work at the machine with the laptop %q, and the log has only who agreed, opened and ended it", b.Window, v.claim.People, v.claim.Laptop)
	}
}

// neverOnSite: no certificate, session or channel is for work on site.
func (w *Walk) neverOnSite(v *window) {
	w.must(!v.claim.OnSite(), "%s is on site: nobody connects by it", v.claim.Window)
}
