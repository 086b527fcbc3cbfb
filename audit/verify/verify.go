package verify

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"penstock/audit"
	"penstock/audit/review"
)

// Trust is what the checker believes before it looks.
type Trust struct {
	LogKey      string                  // verifier key of the log (note vkey); empty: the folder's own keys/log.pub, which is said in a finding of weight Note
	Checkpoints []Kept                  // files that were kept outside
	Witnesses   []audit.WitnessVerifier // whose cosignatures under them count
	Receipts    [][]byte                // receipts that people kept; the log must hold what each names
	ReceiptKeys []byte                  // JWK set that receipts must be signed by; empty: the keys that the log names
	Identity    string                  // age identity that opens recordings; empty: readable mode's own key if the folder has it, else only outer hashes are checked
}

// Weight of a finding.
type Weight uint8

const (
	Note  Weight = iota + 1 // something to know, no fault
	Wrong                   // not proved: exit code 3
)

// String is "note" or "wrong".
func (w Weight) String() string {
	if w == Note {
		return "note"
	}
	return "wrong"
}

// MarshalText is String's word.
func (w Weight) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// Finding is one thing that is to be known or wrong.
type Finding struct {
	Weight Weight `json:"weight"`
	Where  string `json:"where"` // file, offset, leaf or session
	What   string `json:"what"`
}

// Report counts what was checked, beside the findings.
type Report struct {
	Leaves     int64       `json:"leaves"`
	Documents  int64       `json:"documents"`
	Recordings int64       `json:"recordings"`
	Windows    int64       `json:"windows"`
	Origin     string      `json:"origin"`
	Size       audit.Index `json:"size"` // leaves that the stored checkpoint covers
	Root       audit.Hash  `json:"root"`
	Outside    int         `json:"outside"`   // checkpoints from outside that the log was found to continue
	Stretches  []Stretch   `json:"stretches"` // by what each part of the log is proved; what is above the last, by nothing outside
	Receipts   int         `json:"receipts"`  // that the log was found to hold
	Opened     int64       `json:"opened"`    // recordings whose content was decrypted and checked, too
	Findings   []Finding   `json:"findings"`
}

// Proved says whether nothing was wrong.
func (r Report) Proved() bool {
	for _, f := range r.Findings {
		if f.Weight == Wrong {
			return false
		}
	}
	return true
}

// Walk is how verify reaches evidence without importing it: cmd gives
// evidence.Walk here. It sees each leaf in order and says what is wrong with
// windows and answers. Notes gives, and forgets, what is to be known beside it.
type Walk interface {
	Leaf(ctx context.Context, leaf audit.Leaf) []string
	Done(ctx context.Context) (windows int64, findings []string)
	Notes() []string
}

// Dir checks a data folder: log, documents, heads, recordings, and by walk
// (which may be nil) the windows. It writes nothing, needs no lock, and may be
// run beside a live server. progress (which may be nil) hears bytes, from one
// goroutine at a time. An error means that it could not check.
//
// Not checked: state.db, an index made from the log, and the private keys.
func Dir(ctx context.Context, dir string, t Trust, walk Walk, progress func(done, all int64)) (Report, error) {
	c := newChecker(dir, t, progress)
	c.walk = walk
	if err := c.run(ctx); err != nil {
		return Report{}, fmt.Errorf("verify %s: %w", dir, err)
	}
	return c.report, nil
}

func newChecker(dir string, t Trust, progress func(done, all int64)) *checker {
	c := &checker{dir: dir, trust: t, tell: progress, report: Report{Findings: []Finding{}, Stretches: []Stretch{}},
		documents: NewDocuments(dir), mentioned: map[audit.Hash]bool{}, sessions: map[string]*session{}, heads: map[string]int64{}, history: review.NewHistory(), roots: map[audit.Index]audit.Hash{}}
	c.history.Root = c.rootAt
	return c
}

// checker is one Dir or Recording at work.
type checker struct {
	only      string // the one session that is checked; empty: all
	dir       string
	trust     Trust
	walk      Walk
	documents *Documents

	mu     sync.Mutex // report.Findings, done and tell, which recordings' goroutines use too
	report Report
	tell   func(done, all int64)
	done   int64
	all    int64

	tree      tree
	last      audit.Leaf
	started   time.Time           // wall of the newest node.started
	running   bool                // node.started without node.stopped since
	crashed   bool                // the broker was started without having been stopped
	entries   int64               // bytes of segments that whole leaves have taken
	damaged   bool                // some leaf could not be read
	mentioned map[audit.Hash]bool // hashes in bodies: true where they must be a document
	heads     map[string]int64    // file of heads → bytes that leaves cover
	sessions  map[string]*session
	order     []*session // not yet checked
	batches   int64      // recording.heads so far
	folders   folders
	pool      pool
	history   *review.History // reviews, holds, expiry
	roots     map[audit.Index]audit.Hash
}

// begin reads what each check needs first: the log's key, which folders of
// recordings there are, and the identities that open them.
func (c *checker) begin() (note.Verifier, error) {
	v, err := c.key()
	if err != nil {
		return nil, err
	}
	if err := c.folders.list(filepath.Join(c.dir, "recordings")); err != nil {
		return nil, err
	}
	return v, c.open()
}

func (c *checker) run(ctx context.Context) error {
	if err := c.measure(); err != nil {
		return err
	}
	v, err := c.begin()
	if err != nil {
		return err
	}
	defer c.pool.wait()
	if err := c.log(ctx, v); err != nil {
		return err
	}
	if err := c.rest(ctx); err != nil {
		return err
	}
	if err := c.pool.wait(); err != nil {
		return err
	}
	c.inOrder()
	c.stillThere()
	return c.extra(ctx)
}

func (c *checker) find(w Weight, where, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Findings = append(c.report.Findings, Finding{w, where, fmt.Sprintf(format, args...)})
}

func (c *checker) wrong(where, format string, args ...any) { c.find(Wrong, where, format, args...) }
func (c *checker) note(where, format string, args ...any)  { c.find(Note, where, format, args...) }

func (c *checker) passed(bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done += bytes
	if c.tell != nil {
		c.tell(min(c.done, c.all), c.all)
	}
}

// leftover is the weight of what a crash may leave: after a clean stop nothing may.
func (c *checker) leftover() Weight {
	if _, stopped := c.last.Body.(audit.NodeStopped); stopped {
		return Wrong
	}
	return Note
}

// in gives a path as it is named in findings: below the data folder, with slashes.
func (c *checker) in(path string) string {
	if rel, err := filepath.Rel(c.dir, path); err == nil {
		return filepath.ToSlash(rel)
	}
	return path
}

// inOrder puts what was found in recordings, which are read many at once, into
// one order: the same folder gives the same report.
func (c *checker) inOrder() {
	var at []int
	var list []Finding
	for i, f := range c.report.Findings {
		if strings.HasPrefix(f.Where, "recordings/") {
			at, list = append(at, i), append(list, f)
		}
	}
	folder := func(f Finding) string {
		parts := strings.SplitN(f.Where, "/", 6) // recordings/2026/11/22/S-17/…
		return strings.Join(parts[:min(len(parts), 5)], "/")
	}
	slices.SortStableFunc(list, func(a, b Finding) int { return strings.Compare(folder(a), folder(b)) })
	for k, i := range at {
		c.report.Findings[i] = list[k]
	}
}
