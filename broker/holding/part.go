package holding

import (
	"context"
	"log/slog"
	"os"
	"time"

	"penstock/approvals"
	"penstock/broker"
	"penstock/broker/sftp"
	"penstock/policy"
)

// mostParts are uploads that broke off and are kept, of all windows. They are in
// memory alone: a restart deletes them, and so does whatever needs their room.
const mostParts = 64

// place is whose upload it was, and where it was to go.
type place struct {
	window  policy.WindowID
	person  policy.PersonID
	asset   policy.AssetName
	account policy.AccountName
	path    string
}

func placeOf(gate *broker.Channel, path string) place {
	if gate == nil {
		return place{path: path}
	}
	q := gate.Query()
	return place{gate.Window(), gate.Person(), q.Asset, q.Account, path}
}

// part is what came of one: all of its first size bytes.
type part struct {
	name string
	size int64
	at   time.Time
}

// Leave keeps what came in order, for whoever sent it to go on with.
func (c *coming) Leave() (whole bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return false
	}
	h, p := c.h, &part{name: c.name, size: c.next, at: c.h.Now()}
	whole = c.next == c.size
	if c.way == sftp.Out || c.truncate(c.next) != nil {
		c.drop()
		return false
	}
	c.over = true
	c.f.Close()
	at := placeOf(c.gate, c.path)
	h.forget(at)
	h.mu.Lock()
	h.parts[at] = p
	many := len(h.parts) > mostParts
	h.mu.Unlock()
	if many {
		h.forgetOldest()
	}
	return whole
}

// Part is sftp.Holding.
func (h *Holding) Part(gate *broker.Channel, path string) (size int64, there bool) {
	want := placeOf(gate, path)
	h.mu.Lock()
	defer h.mu.Unlock()
	if p := h.parts[want]; p != nil {
		return p.size, true
	}
	for at := range h.parts {
		at.path = ""
		there = there || at == want
	}
	return 0, there
}

// Resume is sftp.Holding.
func (h *Holding) Resume(gate *broker.Channel, path, to string, most int64) (sftp.Held, bool) {
	if approvals.FilePath(to) != nil {
		return nil, false
	}
	at := placeOf(gate, path)
	h.mu.Lock()
	p := h.parts[at]
	delete(h.parts, at)
	h.mu.Unlock()
	if p == nil {
		return nil, false
	}
	f, err := h.root.OpenFile(p.name, os.O_RDWR, 0o600)
	if err != nil {
		slog.Warn("a part of a file cannot be gone on with", "err", err)
		h.drop(p)
		return nil, false
	}
	return &coming{h: h, gate: gate, way: sftp.In, path: to, most: h.most(most), name: p.name, f: f, size: p.size, next: p.size}, true
}

// drop deletes a part that is in parts no more.
func (h *Holding) drop(p *part) {
	if p == nil {
		return
	}
	h.remove(p.name, p.size)
	h.mu.Lock()
	delete(h.mine, p.name)
	h.mu.Unlock()
}

func (h *Holding) forget(at place) {
	h.mu.Lock()
	p := h.parts[at]
	delete(h.parts, at)
	h.mu.Unlock()
	h.drop(p)
}

// forgetOldest says whether there was one.
func (h *Holding) forgetOldest() bool {
	var oldest place
	var p *part
	h.mu.Lock()
	for at, q := range h.parts {
		if p == nil || q.at.Before(p.at) {
			oldest, p = at, q
		}
	}
	delete(h.parts, oldest)
	h.mu.Unlock()
	h.drop(p)
	return p != nil
}

// makeRoom deletes parts until there is room for n more bytes, or none is left.
func (h *Holding) makeRoom(n int64) {
	for {
		h.mu.Lock()
		fits := h.used+n <= h.Limits.Bytes
		h.mu.Unlock()
		if fits || !h.forgetOldest() {
			return
		}
	}
}

// forgetOver deletes parts whose window is over, or that are too old.
func (h *Holding) forgetOver(ctx context.Context) {
	h.mu.Lock()
	var old []place
	windows := map[policy.WindowID][]place{}
	for at, p := range h.parts {
		windows[at.window] = append(windows[at.window], at)
		if h.Now().Sub(p.at) > h.Limits.Age {
			old = append(old, at)
		}
	}
	h.mu.Unlock()
	for w, all := range windows {
		if over, err := h.Desk.Over(ctx, w); err == nil && over {
			old = append(old, all...)
		}
	}
	for _, at := range old {
		h.forget(at)
	}
}
