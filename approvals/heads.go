package approvals

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// heads knows, for each row of this package, the newest leaf that made it and
// the hash that this leaf gives its value. It is read from the log once and
// kept up by every commit, so that neither an edited row nor an old row put
// back beside its old leaf is believed.
type heads struct {
	loading sync.Mutex // held while the log is read; nothing that takes access away needs it
	loaded  atomic.Bool

	mu    sync.Mutex         // never held across I/O
	kinds map[string]ofAKind // by what stands before the "/"

	files map[string][]string // of each window that ever had some, oldest first
}

// ofAKind is one kind of row. Channels and connections ask for all of some kinds
// each time, so they are sorted once, and lie apart from those that only grow.
type ofAKind struct {
	rows map[string]head
	keys []string // by number
	live []string // of these, those that are not over for good (retire)
}

// added is the kind with one more key, which was not there or was over.
func (k ofAKind) added(key string) ofAKind {
	for _, list := range []*[]string{&k.keys, &k.live} {
		if i, there := slices.BinarySearchFunc(*list, key, byNumber); !there {
			*list = slices.Insert(*list, i, key)
		}
	}
	return k
}

type head struct {
	at   audit.Place
	hash audit.Hash
}

// kinds are the rows that this package owns.
var kinds = []string{"request", "answer", "window", "block", "gate", "handover", "roster", "change", "pattern", "file", "spoken", "outage", "kiosk", "asset", "debt", "hostkey"}

func noRows() map[string]ofAKind {
	none := map[string]ofAKind{}
	for _, k := range kinds {
		none[k] = ofAKind{rows: map[string]head{}}
	}
	return none
}

// of is the kind of a row; false if it is not this package's.
func (h *heads) of(key string) (name string, k ofAKind, ours bool) {
	name, _, _ = strings.Cut(key, "/")
	k, ours = h.kinds[name]
	return name, k, ours
}

// load reads the log once, for people's keys as well; a failed reading is tried again by the next call.
func (h *heads) load(ctx context.Context, log Log, keys *keyring) error {
	h.loading.Lock()
	defer h.loading.Unlock()
	if h.loaded.Load() {
		return nil
	}
	if log == nil {
		return errors.New("the desk has no log")
	}
	revs := map[string]uint64{}
	for leaf, err := range log.Upto(ctx, 0) {
		if err != nil {
			return fmt.Errorf("read the log for its newest leaves: %w", err)
		}
		if follows(leaf, revs) {
			h.note(leaf)
		}
		keys.fold(ctx, leaf)
	}
	h.loaded.Store(true)
	return nil
}

// follows counts the revisions that a leaf makes; false if the leaf is void
// because its subject's revision does not follow.
func follows(leaf audit.Leaf, revs map[string]uint64) bool {
	for key := range leaf.Rows {
		if _, id, _ := strings.Cut(key, "/"); id == leaf.Subject && leaf.Rev != revs[key]+1 {
			return false
		}
	}
	for key := range leaf.Rows {
		revs[key]++
	}
	return true
}

// note takes a leaf in that is not void. Of two leaves for one row the later
// one counts, in whatever order they are noted.
func (h *heads) note(leaf audit.Leaf) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for key, hash := range leaf.Rows {
		name, kind, ours := h.of(key)
		old, known := kind.rows[key]
		if !ours || known && old.at.Node == leaf.Node && leaf.Index <= old.at.Index {
			continue
		}
		kind.rows[key] = head{leaf.Place(), hash}
		h.kinds[name] = kind.added(key)
		if b, ok := leaf.Body.(audit.FileHeld); ok && !known {
			h.files[b.Window] = append(h.files[b.Window], b.File)
		}
	}
}

// filesOf are the files that ever waited in a window.
func (h *heads) filesOf(window string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.files[window])
}

func (h *heads) get(key string) (head, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, kind, _ := h.of(key)
	at, ok := kind.rows[key]
	return at, ok
}

// keys are the rows of a kind that the log knows, sorted: keys("window/").
func (h *heads) keys(prefix string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, kind, _ := h.of(prefix)
	return slices.Clone(kind.keys)
}

// living are the keys of a kind that are not retired.
func (h *heads) living(prefix string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, kind, _ := h.of(prefix)
	return slices.Clone(kind.live)
}

// retire leaves a row that is over for good out of living: else whoever looks for
// what goes on reads that of all years.
func (h *heads) retire(key string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	name, kind, _ := h.of(key)
	if i, there := slices.BinarySearchFunc(kind.live, key, byNumber); there {
		kind.live = slices.Delete(kind.live, i, i+1)
		h.kinds[name] = kind
	}
}

// next is the first number above all that the log knows: next("window/W-").
func (h *heads) next(prefix string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	most := 0
	_, kind, _ := h.of(prefix)
	for _, key := range slices.Backward(kind.keys) {
		if n, err := strconv.Atoi(strings.TrimPrefix(key, prefix)); err == nil {
			most = n
			break
		}
	}
	_, letter, _ := strings.Cut(prefix, "/")
	return letter + strconv.Itoa(most+1)
}

// byNumber sorts W-9 before W-10.
func byNumber(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// row reads a row that its newest leaf vouches for; fs.ErrNotExist if the log
// knows none either. A row that differs is refused and made again by Run.
func (d *Desk) row(ctx context.Context, key string) (state.Row, error) {
	if err := d.heads.load(ctx, d.log, &d.keys); err != nil {
		return state.Row{}, err
	}
	// Looked up before the row is read, because a leaf is noted after its rows are
	// stored: what somebody writes in between may be newer than this, never older.
	newest, known := d.heads.get(key)
	row, err := d.rows.Get(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		if known {
			return state.Row{}, d.differs(key, fmt.Sprintf("the row is gone; leaf %s made it", newest.at))
		}
		return state.Row{}, err
	}
	if err != nil {
		return state.Row{}, fmt.Errorf("read row %s: %w", key, err)
	}
	return row, d.vouched(ctx, row, newest, known)
}

// read decodes a row into v, and gives its revision; there is false where the log
// knows none.
func (d *Desk) read(ctx context.Context, key string, v any) (rev uint64, there bool, err error) {
	row, err := d.row(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	return row.Rev, true, decode(row, v)
}

// vouched is nil if the row's newest leaf, at or after the newest that was known when
// it was read, gives exactly this value.
func (d *Desk) vouched(ctx context.Context, row state.Row, at head, known bool) error {
	hash := audit.HashOf(row.Value)
	if known && row.Leaf == at.at {
		if hash != at.hash {
			return d.differs(row.Key, fmt.Sprintf("leaf %s says otherwise", at.at))
		}
		return nil
	}
	if known && row.Leaf.Node == at.at.Node && row.Leaf.Index < at.at.Index {
		return d.differs(row.Key, fmt.Sprintf("the row is of leaf %s, the newest is %s", row.Leaf, at.at))
	}
	leaf, err := d.leaves.Leaf(ctx, row.Leaf)
	if errors.Is(err, fs.ErrNotExist) {
		return d.differs(row.Key, fmt.Sprintf("there is no leaf %s", row.Leaf))
	}
	if err != nil {
		return fmt.Errorf("read leaf %s of row %s: %w", row.Leaf, row.Key, err)
	}
	if want, ok := leaf.Rows[row.Key]; !ok || want != hash {
		return d.differs(row.Key, fmt.Sprintf("leaf %s says otherwise", row.Leaf))
	}
	d.heads.note(leaf)
	return nil
}

// differs is the refusal for a row that the log does not vouch for.
func (d *Desk) differs(key, why string) error {
	select {
	case d.repair <- struct{}{}:
	default:
	}
	return &policy.Refusal{Rule: "row-differs",
		Say: "The broker's index does not fit its log here, so nothing is opened on it. It is being made again: try again in a moment, and tell OT security.",
		Why: key + ": " + why}
}
