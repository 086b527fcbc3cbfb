package holding

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"penstock/approvals"
	"penstock/broker"
	"penstock/broker/sftp"
	"penstock/policy"
)

// Take is sftp.Holding: it gives what was let out of a path of the channel's
// machine, by its own window, once its bytes are found to be those that were.
func (h *Holding) Take(ctx context.Context, gate *broker.Channel, path string) (sftp.Taken, string, error) {
	q := gate.Query()
	f, there, err := h.Desk.Fetched(ctx, gate.Window(), q.Asset, q.Account, path)
	if err != nil || !there {
		return nil, "", err
	}
	name := filepath.Base(path)
	switch {
	case f.State == approvals.FileHeld:
		return nil, fmt.Sprintf("%s is held at the plant as %s, and nobody has looked into it yet. Get it again later. See: ssh desk@… files %s", name, f.ID, f.Window), nil
	case f.State == approvals.FileLooked:
		return nil, fmt.Sprintf("%s is held at the plant as %s: it waits for somebody there to let it out. Get it again then. See: ssh desk@… files %s", name, f.ID, f.Window), nil
	case !h.alone(f.ID):
		return nil, fmt.Sprintf("%s is being taken by somebody at this moment. Get it again later.", f.ID), nil
	}
	t, err := h.letsTake(ctx, gate, f)
	if t == nil {
		h.left(f.ID)
		return nil, "", err
	}
	return t, "", nil
}

// alone is false where somebody takes it now.
func (h *Holding) alone(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.taken[id] {
		return false
	}
	h.taken[id] = true
	return true
}

func (h *Holding) left(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.taken, id)
}

// letsTake: the bytes are those that were let out, and the event is durable. nil, nil: its
// bytes are gone, so it is fetched anew, and waits anew.
func (h *Holding) letsTake(ctx context.Context, gate *broker.Channel, f approvals.File) (*taking, error) {
	if err := h.goes(f.ID, false); err != nil {
		return nil, err
	}
	file, err := h.same(f)
	if errors.Is(err, fs.ErrNotExist) {
		h.expire(ctx, f, "its bytes are gone")
		return nil, nil
	}
	if err != nil {
		return nil, &policy.Refusal{Rule: "file-changed", Say: "What is held is not what was let out any more, so it is not given. Tell the plant's OT security.", Why: err.Error()}
	}
	if _, err := h.Desk.DeliverFile(ctx, f.ID, gate.Session(), gate.Number()); err != nil {
		file.Close()
		return nil, err
	}
	return &taking{h: h, f: f, file: file, session: gate.Session(), channel: gate.Number()}, nil
}

// taking is a file that was let out, while somebody reads it.
type taking struct {
	h       *Holding
	f       approvals.File
	file    *os.File
	session policy.SessionID
	channel int
}

func (t *taking) File() string { return t.f.ID }
func (t *taking) Size() int64  { return t.f.Bytes }

// ReadAt gives nothing more of what was refused meanwhile.
func (t *taking) ReadAt(p []byte, at int64) (int, error) {
	if err := t.h.goes(t.f.ID, false); err != nil {
		return 0, err
	}
	return t.file.ReadAt(p, at)
}

// Close: what was taken whole needs to be kept no longer. Where that cannot be
// told it is kept, and can be taken again, while its window runs.
func (t *taking) Close(ctx context.Context, whole bool) {
	t.file.Close()
	if whole {
		if _, err := t.h.Desk.DeliveredFile(ctx, t.f.ID, t.session, t.channel, ""); err != nil {
			slog.Warn("a file was taken out, and it could not be said", "file", t.f.ID, "err", err)
		}
	}
	t.h.left(t.f.ID)
	t.h.Poke()
}
