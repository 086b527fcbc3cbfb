package evidence

import (
	"maps"
	"slices"
	"strings"

	"penstock/audit"
	"penstock/policy"
)

// operations: within a channel that is open, once, and nothing was let through
// that takes more than the channel's rights, or that changes what was not agreed.
func (w *Walk) operations(b audit.OperationsSummary) {
	c := w.openChannel(b.Session, b.Channel)
	if c == nil {
		return
	}
	o := c.opened
	w.must(!c.summed, "channel %d has told its operations before", b.Channel)
	w.must(b.Window == o.Window && b.Asset == o.Asset && b.Port == o.Port, "channel %d is by %s on %s in %s, and its operations by %s on %s in %s",
		b.Channel, o.Port, o.Asset, o.Window, short(b.Port), short(b.Asset), short(b.Window))
	had := o.Rights
	if v := w.windows[o.Window]; v != nil { // a second tap gives to the connections that are there
		had = slices.Concat(had, v.reached)
	}
	for _, takes := range slices.Sorted(maps.Keys(b.Allowed)) {
		w.must(within(strings.Split(takes, ", "), had), "%d operations that take %s were let through, and the channel's rights are %q", b.Allowed[takes], short(takes), o.Rights)
	}
	w.saysWhat(b)
	w.agreedObjects(c, b)
	c.summed = true
}

// saysWhat: what was let through beyond looking has objects, and objects were let through.
func (w *Walk) saysWhat(b audit.OperationsSummary) {
	for _, takes := range slices.Sorted(maps.Keys(b.Allowed)) {
		does := takes != "look" && takes != "copy" && b.Allowed[takes] > 0
		w.must(!does || len(b.Changed[takes])+len(b.SetOff[takes])+b.More > 0, "%d operations that take %s were let through, and nothing says what they changed", b.Allowed[takes], short(takes))
	}
	for _, by := range []map[string][]string{b.Changed, b.SetOff} {
		for _, takes := range slices.Sorted(maps.Keys(by)) {
			w.must(b.Allowed[takes] > 0, "%s was changed by what takes %s, and no such operation was let through", short(strings.Join(by[takes], ", ")), short(takes))
		}
	}
}

// agreedObjects: where people agreed to some registers alone, nothing else was
// changed, by a register sheet that was in force meanwhile.
func (w *Walk) agreedObjects(c *channel, b audit.OperationsSummary) {
	only := w.onlyIn(c.opened)
	if only == nil {
		return
	}
	w.must(b.More == 0, "%d things that were changed are not named, where %s alone was agreed", b.More, strings.Join(only, ", "))
	inside := func(by map[string][]string, fits func(policy.Port, audit.Span) bool) {
		for _, takes := range slices.Sorted(maps.Keys(by)) {
			for _, text := range by[takes] {
				s := audit.ParseSpan(text)
				is := s.Numbered() && slices.ContainsFunc(c.sheets, func(h audit.Hash) bool {
					plant := w.plant(h)
					if plant == nil {
						return true // a finding already
					}
					asset, _ := plant.Asset(policy.AssetName(b.Asset))
					port, there := asset.Port(policy.PortName(b.Port))
					return there && fits(port, s)
				})
				w.must(is, "%s was changed outside what was agreed: %s", short(text), strings.Join(only, ", "))
			}
		}
	}
	inside(b.Changed, func(p policy.Port, s audit.Span) bool { return p.Changes(only, s.Of, s.From, s.To) })
	inside(b.SetOff, func(p policy.Port, s audit.Span) bool { return p.SetsOff(only, s.Of, s.From, s.To) })
}

// onlyIn are the registers that alone may be changed in a channel; nil: not so.
func (w *Walk) onlyIn(o audit.ChannelOpened) []string {
	v := w.windows[o.Window]
	if v == nil {
		return nil
	}
	for _, r := range v.claim.Registers {
		if r.Asset == o.Asset && r.Port == o.Port {
			return r.Only
		}
	}
	return nil
}

// filesNow are the plant files that may have decided just now.
func (w *Walk) filesNow() []audit.Hash {
	if w.former != (audit.Hash{}) && !w.leaf.Wall.After(w.newPlant.Add(crossTime)) {
		return []audit.Hash{w.inForce, w.former}
	}
	return []audit.Hash{w.inForce}
}

// mostSheets bounds the plant files of one channel.
const mostSheets = 64

// resheet notes the plant file that comes in force for channels that are held to registers.
func (w *Walk) resheet(h audit.Hash) {
	for _, s := range w.sessions {
		for _, c := range s.channels {
			if !c.closed && w.onlyIn(c.opened) != nil && len(c.sheets) < mostSheets {
				c.sheets = append(c.sheets, h)
			}
		}
	}
}
