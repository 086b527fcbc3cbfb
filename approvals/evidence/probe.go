package evidence

import (
	"errors"
	"slices"

	"penstock/audit"
	"penstock/policy"
)

// probe: a connectivity test asks to look, which is in every set, and for nothing
// else; it is no row of a list and names no files.
func (r Request) probe() error {
	if r.Kind != Connectivity {
		return nil
	}
	if !slices.Equal(r.Rights, policy.Look.Words()) || r.Outage != "" || len(r.FileHashes) > 0 || !r.Pattern.IsZero() {
		return errors.New("a connectivity test is to look alone; it stands on no outage's list, under no pattern and names no files")
	}
	return nil
}

// tellProbe are the computed lines of a connectivity test: whatever the way in can
// do, nothing passes.
func (r *Request) tellProbe() {
	r.Can = "Can try whether the way works: connect, host key, login."
	r.Worst = "Worst case: the machine logs a login."
	r.Stopper = "Penstock closes it at once; nothing passes."
	r.Files = ""
}

// probed: no byte passed in a channel of a connectivity test, in either direction.
func (w *Walk) probed(c *channel, b audit.ChannelClosed) {
	if v := w.windows[c.opened.Window]; v != nil && v.claim.Probe {
		w.must(b.In == 0 && b.Out == 0, "%s tries the way alone, and %d bytes went in and %d out", c.opened.Window, b.In, b.Out)
	}
}
