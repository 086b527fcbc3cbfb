package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"penstock/approvals"
	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/approvals/state/bolt"
	"penstock/audit"
	"penstock/audit/durable"
	"penstock/audit/publish"
	"penstock/audit/receipt"
	"penstock/audit/recording"
	"penstock/audit/review"
	"penstock/audit/search"
	"penstock/audit/siem"
	"penstock/broker"
	"penstock/broker/ca"
	"penstock/broker/dial"
	"penstock/broker/holding"
	"penstock/broker/login"
	"penstock/broker/notify"
	"penstock/broker/sshd"
	"penstock/broker/vault"
	"penstock/broker/web"
	"penstock/policy"
)

// plantHouse is everything that one running broker has, in the order in which it is built.
type plantHouse struct {
	file    serverFile
	slog    *slog.Logger
	folder  dataFolder
	inForce inForce

	disk      *durable.Disk
	reserve   *durable.Reserve
	endDisk   func() error
	log       *audit.Log
	logKey    string // verifier key
	docs      *audit.Documents
	store     *bolt.Store
	journal   *state.Journal
	archive   *recording.Archive
	book      *review.Book
	outside   *publish.Publisher
	siem      *siem.Forwarder
	notices   *notify.Notifier
	search    *search.Filler
	roster    *people.Roster
	desk      *approvals.Desk
	ca        *ca.Authorities
	proofs    *login.Proofs
	broker    *broker.Broker
	vault     *vault.Vault
	dialer    *dial.Dialer
	errands   *dial.Errands
	holding   *holding.Holding
	door      *sshd.Door
	receipts  *receipt.Desk
	web       http.Handler // the private socket's: /api/v1 alone
	pages     *web.Pages   // HTTPS: pages with /api/v1 beside them
	clock     *clockGuard
	admission *admission
	health    *health
	tested    atomic.Bool // the self-test at the door was passed
	backups   sync.Mutex  // one backup at a time
	evidences sync.Mutex  // held while a pack is made
	sessions  atomic.Uint64
	hangups   <-chan os.Signal // SIGHUP: read the plant file again
	started   bool             // node.started is written
}

// open builds the house bottom-up; nothing listens yet. A crash is mended here
// by the same code that runs otherwise: catch up, check, recover.
func open(ctx context.Context, f serverFile, p plantFile, logger *slog.Logger) (_ *plantHouse, err error) {
	h := &plantHouse{file: f, slog: logger, folder: dataFolder(f.Data), health: newHealth()}
	h.inForce.Store(&p)
	if err := h.folder.make(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	if err := h.openDisk(); err != nil {
		return nil, err
	}
	clock := f.Clock
	if clock.Wall == nil {
		clock = audit.SystemClock()
	}
	behind, err := h.openLog(clock)
	if err != nil {
		return nil, err
	}
	past, err := h.openState(ctx)
	if err != nil {
		return nil, err
	}
	if err := h.plantOfLog(ctx, past.plant, past.trial); err != nil {
		return nil, err
	}
	if err := h.openArchive(ctx, past); err != nil {
		return nil, err
	}
	if _, err := h.docs.Sweep(ctx, func(hash audit.Hash) bool { return past.named[hash] }); err != nil {
		return nil, fmt.Errorf("sweep documents that no leaf names: %w", err)
	}
	if err := h.openRooms(past, clock); err != nil {
		return nil, err
	}
	if _, err := h.log.Append(ctx, audit.Event{Subject: f.Node, Actor: "penstock", Body: audit.NodeStarted{Version: version(), Receipts: h.receipts.Name()}}); err != nil {
		return nil, fmt.Errorf("write that the node started: %w", err)
	}
	h.started = true
	if err := h.sayRestored(ctx); err != nil {
		return nil, err
	}
	if _, err := putIntoForce(ctx, h.log, h.docs, "plant", h.plant().Document(), past.plant); err != nil {
		return nil, err
	}
	if _, err := putIntoForce(ctx, h.log, h.docs, "server", f.Text, past.server); err != nil {
		return nil, err
	}
	return h, h.clock.start(ctx, behind)
}

// openDisk starts the committer, which runs until close.
func (h *plantHouse) openDisk() error {
	disk, err := durable.OpenDisk(h.folder.keys())
	if err != nil {
		return fmt.Errorf("open the data directory: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- disk.Run(ctx) }()
	h.disk = disk
	h.endDisk = func() error {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("disk: %w", err)
		}
		return nil
	}
	return nil
}

// openLog says also how far the wall clock stands behind the newest leaf.
func (h *plantHouse) openLog(clock audit.Clock) (time.Duration, error) {
	if _, err := os.Stat(h.folder.log()); err == nil {
		if err := h.folder.hasKeys(logKeys...); err != nil {
			return 0, err // before one is made that fits no checkpoint
		}
	}
	origin := h.plant().Site.ID + "/penstock/audit/" + h.file.Node
	signer, _, err := audit.LogKeys(h.folder.keys(), origin)
	if err != nil {
		return 0, err
	}
	h.logKey = verifierText(h.folder)
	if err := h.disk.MkdirAll(h.folder.log(), 0o700); err != nil {
		return 0, fmt.Errorf("open the log: %w", err)
	}
	if h.reserve, err = durable.OpenReserve(h.folder.reserve(), closingReserve); err != nil {
		return 0, err
	}
	h.log, err = audit.OpenLog(h.folder.log(), h.disk, audit.Options{Origin: origin, Node: h.file.Node, Signer: signer, Clock: clock, Reserve: h.reserve})
	if err != nil {
		return 0, fmt.Errorf("open the log: %w", err)
	}
	behind := h.log.ClockBehind()
	if h.docs, err = audit.OpenDocuments(h.folder.documents(), h.disk); err != nil {
		return 0, fmt.Errorf("open the documents: %w", err)
	}
	return behind, nil
}

// openState brings the rows to where the log is, mends rows that were edited,
// and starts a new log from the bootstrap file.
func (h *plantHouse) openState(ctx context.Context) (*history, error) {
	err := h.openRows(ctx)
	if errors.Is(err, bolt.ErrDamaged) {
		err = h.openRowsAnew(ctx, err)
	}
	if err != nil {
		return nil, err
	}
	if h.log.Size() == 0 {
		if err := h.bootstrap(ctx); err != nil {
			return nil, err
		}
		return readHistory(ctx, h.log)
	}
	past, err := readHistory(ctx, h.log)
	if err != nil {
		return nil, err
	}
	if past.started && !h.file.NewKeys {
		keys := madeKeys
		if past.receipts { // a broker of before there were receipts gets its key now
			keys = append(keys[:len(keys):len(keys)], receipt.KeyFile)
		}
		if err := h.folder.hasKeys(keys...); err != nil {
			return nil, err
		}
	}
	h.compareBootstrap(past.first)
	return past, nil
}

// openRows opens state.db and holds it against the log.
func (h *plantHouse) openRows(ctx context.Context) error {
	var err error
	if h.store, err = bolt.Open(h.folder.state()); err != nil {
		return err
	}
	h.store.OnFull(h.reserve.Give)
	h.journal = state.NewJournal(h.file.Node, h.log, h.store,
		people.Fold(h.docs), approvals.Fold(h.docs), ca.Fold(), login.Fold(), vault.Fold())
	if _, err := h.journal.CatchUp(ctx); err != nil {
		return fmt.Errorf("bring the rows to where the log is: %w", err)
	}
	differences, err := h.journal.Check(ctx)
	if err != nil {
		return fmt.Errorf("check the rows against the log: %w", err)
	}
	for _, d := range differences {
		h.slog.Error("a row was not what the log says and was made again from it: somebody or something changed state.db", "row", d)
	}
	return nil
}

// openRowsAnew moves a state.db that cannot be read aside and makes all rows
// from the log: an index is no reason to keep a plant waiting at night.
func (h *plantHouse) openRowsAnew(ctx context.Context, why error) error {
	if h.store != nil {
		if err := h.store.Close(); err != nil {
			h.slog.Error("the damaged state.db could not be closed", "err", err)
		}
		h.store = nil
	}
	aside := h.folder.state() + ".damaged"
	if err := os.Rename(h.folder.state(), aside); err != nil {
		return errors.Join(why, fmt.Errorf("move the damaged rows aside: %w", err))
	}
	h.slog.Error("state.db could not be read and all rows were made again from the log: somebody or something changed it", "kept", aside, "err", why)
	return h.openRows(ctx)
}

// compareBootstrap says so where the file of the first people is not the one
// that began the log: it changes nothing any more.
func (h *plantHouse) compareBootstrap(first audit.Hash) {
	text, err := os.ReadFile(h.file.Bootstrap)
	if err == nil && audit.HashOf(text) != first {
		h.slog.Warn("the file of the first people was changed, and counts only for a new log: invite and change people with penstock people",
			"file", h.file.Bootstrap, "began_the_log", first.String())
	}
}

// bootstrap makes the first leaf of a new log.
func (h *plantHouse) bootstrap(ctx context.Context) error {
	if h.file.Bootstrap == "" {
		return errors.New("the log is new, and bootstrap: in the server's file names no file with the first people of the plant: nobody could ever answer. See configs/bootstrap.yaml")
	}
	text, err := os.ReadFile(h.file.Bootstrap)
	if err != nil {
		return fmt.Errorf("read the first people: %w", err)
	}
	if _, err := people.ParseBootstrap(filepath.Base(h.file.Bootstrap), text, h.plant().HasRole); err != nil {
		return err
	}
	hash, err := h.docs.Put(ctx, text)
	if err != nil {
		return fmt.Errorf("keep the first people: %w", err)
	}
	_, err = h.journal.Commit(ctx, "bootstrap/1", audit.Event{Subject: "bootstrap", Rev: 1, Actor: "penstock",
		Body: audit.LogCreated{Origin: h.plant().Site.ID + "/penstock/audit/" + h.file.Node, Bootstrap: hash}})
	if err != nil {
		return fmt.Errorf("write the first leaf: %w", err)
	}
	h.slog.Info("a new log was started", "bootstrap", hash.String())
	return nil
}

func (h *plantHouse) openArchive(ctx context.Context, past *history) error {
	parts := recording.Parts{Dir: h.folder.recordings(), HeadsDir: h.folder.heads(),
		Disk: h.disk, Log: h.log, MinFree: h.file.MinFree, EndFree: h.file.EndFree, Reserve: h.reserve,
		Ended:   func(session string) bool { return past.ended[session] },
		Started: func(session string) bool { return past.admitted[session] },
		Gone:    func(session string) bool { return past.gone[session] }}
	err := h.sealing(ctx, past, &parts)
	if err != nil {
		return err
	}
	if h.archive, err = recording.OpenArchive(parts); err != nil {
		return fmt.Errorf("open the recordings: %w", err)
	}
	if err := past.folders(h.folder.recordings()); err != nil {
		return err
	}
	if err := h.archive.Recover(ctx); err != nil {
		return fmt.Errorf("recover recordings that a crash left open: %w", err)
	}
	h.book = review.NewBook(h.archive, h.log, func(roles []string) bool { return h.plant().MayRead(rolesOf(roles)) })
	h.book.Typed(func(roles []string) bool { return h.plant().MayReadInput(rolesOf(roles)) })
	h.book.Watched(func(roles []string, asset string) bool {
		return h.plant().MayWatch(rolesOf(roles), policy.AssetName(asset))
	})
	return nil
}

func rolesOf(words []string) []policy.Role {
	list := make([]policy.Role, len(words))
	for i, r := range words {
		list[i] = policy.Role(r)
	}
	return list
}

// closingReserve is how many bytes of the disk are kept for how things end: some
// thousand sessions, or, of one session, more than an hour of heads.
const closingReserve = 8 << 20

// close takes down what open built, in reverse.
func (h *plantHouse) close() error {
	var errs []error
	if h.started { // else a new log might begin with its end
		ctx, cancel := context.WithTimeout(context.Background(), drainTime)
		_, err := h.log.Append(ctx, audit.Event{Subject: h.file.Node, Actor: "penstock", Body: audit.NodeStopped{}})
		cancel()
		errs = append(errs, err)
	}
	if h.log != nil {
		errs = append(errs, h.log.Close())
	}
	if h.search != nil {
		errs = append(errs, h.search.Close())
	}
	if h.store != nil {
		errs = append(errs, h.store.Close())
	}
	if h.endDisk != nil {
		errs = append(errs, h.endDisk())
	}
	return errors.Join(errs...)
}

func verifierText(d dataFolder) string {
	b, err := os.ReadFile(filepath.Join(d.keys(), "log.pub"))
	if err != nil {
		return ""
	}
	return string(trimLine(b))
}

// passwordCost is the full one; tests that prove hundreds of passwords in this
// very process lower it. A broker of its own process always has the full one.
var passwordCost login.Cost
