package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/sys/unix"

	"penstock/audit"
	"penstock/audit/durable"
)

// Bounds of what a backup may hold: it comes from outside.
const (
	maxSmall    = 1 << 20   // manifest.json, END.json, the checkpoint, log.pub
	maxSealed   = 16 << 20  // keys.tar.age
	maxKey      = 64 << 10  // one key
	maxKeys     = 256       // files in the keys folder
	maxPieces   = 1 << 30   // one segment of the log or one part of a recording
	maxHeads    = 64 << 30  // one month's heads
	maxDecoding = 128 << 20 // memory of the zstd decoder
	leftFree    = 64 << 20  // bytes that stay free on the disk
)

// unfinished is the folder in the data directory while restore is at work, and
// restoredFile what the next serve reads to say so in the log.
const (
	unfinished   = ".restore"
	restoredFile = "restored.json"
)

var keyFileName = regexp.MustCompile(`^[a-z][a-z0-9_.-]{0,63}$`)

// entryKinds is everything that a backup may hold, and how large it may be.
// What is not here is refused: neither "..", nor an absolute path, nor a link
// can be spelled in it.
var entryKinds = []struct {
	name *regexp.Regexp
	most int64
}{
	{regexp.MustCompile(`^log/checkpoint$`), maxSmall},
	{regexp.MustCompile(`^log/entries/[0-9]{8}\.seg$`), maxPieces},
	{regexp.MustCompile(`^log/heads/[0-9]{4}-[0-9]{2}\.txt$`), maxHeads},
	{regexp.MustCompile(`^documents/[0-9a-f]{2}/[0-9a-f]{64}$`), audit.MaxDocument},
	{regexp.MustCompile(`^recordings/[0-9]{4}/[0-9]{2}/[0-9]{2}/[A-Za-z0-9][A-Za-z0-9-]{0,63}/[a-z][a-z0-9.-]{0,63}$`), maxPieces},
	{regexp.MustCompile(`^keys/log\.pub$`), maxSmall},
	{regexp.MustCompile(`^keys\.tar\.age$`), maxSealed},
}

// errTorn is what is said of a backup that ends before its end.
var errTorn = errors.New("the backup is torn: it ends before its END.json, so it was not copied or not taken whole; nothing was restored")

// restored is what came out of a backup.
type restored struct {
	manifest
	ending
	keys []byte // sealed; nil: none
}

// readBackup reads a whole backup and gives each entry to put, in order, which
// reads it or not. It believes nothing: names, sizes and kinds are checked
// before put sees them, and the sums at the end. put undoes nothing on error.
func readBackup(ctx context.Context, from io.Reader, put func(name string, size int64, r io.Reader) error) (restored, error) {
	var out restored
	z, err := zstd.NewReader(stoppable{ctx, from}, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxDecoding), zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		return out, fmt.Errorf("read the backup: %w", err)
	}
	defer z.Close()
	in, sums := tar.NewReader(z), newTally()
	if out.manifest, err = readManifest(in, sums); err != nil {
		return out, err
	}
	for {
		h, err := in.Next()
		if err != nil {
			return out, tornOr(err)
		}
		if h.Name == endName && h.Typeflag == tar.TypeReg {
			return out, out.close(in, h, sums, z)
		}
		if err := checkEntry(h); err != nil {
			return out, err
		}
		sum := sha256.New()
		body := io.TeeReader(in, sum)
		if h.Name == keysName {
			out.keys, err = io.ReadAll(body) // bounded by checkEntry
		} else {
			err = put(h.Name, h.Size, body)
		}
		if err != nil {
			return out, tornOr(err)
		}
		if _, err := io.Copy(io.Discard, body); err != nil { // what put left
			return out, tornOr(err)
		}
		sums.add(h.Name, h.Size, sum.Sum(nil))
	}
}

func readManifest(in *tar.Reader, sums *tally) (manifest, error) {
	var m manifest
	h, err := in.Next()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return m, errTorn
	}
	if err != nil || h.Name != manifestName || h.Typeflag != tar.TypeReg || h.Size > maxSmall {
		return m, errors.New("this is no backup of penstock backup")
	}
	b, err := io.ReadAll(in)
	if err != nil {
		return m, tornOr(err)
	}
	if err := strictJSON(b, &m); err != nil {
		return m, fmt.Errorf("the backup's manifest.json: %w", err)
	}
	if m.V != 1 {
		return m, fmt.Errorf("the backup is of version %d, and this build knows 1: use a newer penstock", m.V)
	}
	sum := sha256.Sum256(b)
	sums.add(manifestName, h.Size, sum[:])
	return m, nil
}

// close reads END.json and what may follow it: nothing.
func (r *restored) close(in *tar.Reader, h *tar.Header, sums *tally, z io.Reader) error {
	if h.Size > maxSmall {
		return errors.New("the backup's END.json is too large")
	}
	b, err := io.ReadAll(in)
	if err != nil {
		return tornOr(err)
	}
	if err := strictJSON(b, &r.ending); err != nil {
		return fmt.Errorf("the backup's END.json: %w", err)
	}
	want := sums.ending()
	if r.Files != want.Files || r.Bytes != want.Bytes || r.SHA256 != want.SHA256 {
		return errors.New("the backup is not as it was taken: its files do not fit the sum in END.json; nothing was restored")
	}
	if _, err := in.Next(); !errors.Is(err, io.EOF) {
		return errors.New("the backup goes on after END.json: it is not as it was taken")
	}
	// The rest of the stream holds tar's padding, and zstd's checksum at its end.
	if _, err := io.Copy(io.Discard, io.LimitReader(z, maxSmall)); err != nil {
		return tornOr(err)
	}
	return nil
}

// tornOr makes an early end the one sentence for it.
func tornOr(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errTorn
	}
	if errors.Is(err, tar.ErrHeader) || errors.Is(err, zstd.ErrCRCMismatch) || errors.Is(err, zstd.ErrMagicMismatch) {
		return fmt.Errorf("the backup is damaged (%w); nothing was restored", err)
	}
	return err
}

func checkEntry(h *tar.Header) error {
	if h.Typeflag != tar.TypeReg {
		return fmt.Errorf("the backup holds %.200q, which is no ordinary file: it was not made by penstock backup", h.Name)
	}
	for _, k := range entryKinds {
		if !k.name.MatchString(h.Name) {
			continue
		}
		if h.Size < 0 || h.Size > k.most {
			return fmt.Errorf("the backup holds %s of %d bytes, and %d is the most that can be", h.Name, h.Size, k.most)
		}
		return nil
	}
	return fmt.Errorf("the backup holds %.200q, which has no place in a data directory: it was not made by penstock backup", h.Name)
}

func strictJSON(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON")
	}
	return nil
}

// restorer puts a backup into an empty data directory.
type restorer struct {
	dir      string
	identity string   // file; "": none
	outside  []string // files with checkpoints that were kept elsewhere
	say      func(format string, a ...any)
	moved    func(bytes int64) // progress
}

// run leaves the directory as it was if anything is wrong.
func (r *restorer) run(ctx context.Context, from io.Reader) (err error) {
	made, err := emptyFolder(r.dir)
	if err != nil {
		return err
	}
	work := filepath.Join(r.dir, unfinished)
	if err := os.Mkdir(work, 0o700); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	defer func() {
		if err == nil {
			return
		}
		rerr := os.RemoveAll(work)
		if made && rerr == nil {
			rerr = os.Remove(r.dir)
		}
		err = errors.Join(err, rerr)
	}()
	got, err := readBackup(ctx, from, func(name string, size int64, in io.Reader) error { return r.put(work, name, size, in) })
	if err != nil {
		return err
	}
	if err := r.unseal(work, got); err != nil {
		return err
	}
	newest, err := r.check(ctx, work, got)
	if err != nil {
		return err
	}
	text, err := json.Marshal(audit.BackupRestored{Size: got.Size, Taken: got.Taken.UTC(), At: time.Now().UTC().Truncate(time.Second), Outside: newest})
	if err != nil {
		return err
	}
	note, err := os.ReadFile(filepath.Join(work, filepath.FromSlash(checkName)))
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	// checkpoint.synced is what the log keeps beside it against a power cut.
	for name, b := range map[string][]byte{restoredFile: text, "log/checkpoint.synced": note} {
		if err := durable.WriteFile(filepath.Join(work, filepath.FromSlash(name)), b, 0o600); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
	}
	if err := moveIn(work, r.dir); err != nil {
		return err
	}
	r.tell(got, newest)
	return nil
}

// emptyFolder makes dir, or sees that nothing is in it.
func emptyFolder(dir string) (made bool, err error) {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := durable.MkdirAll(dir, 0o700); err != nil {
			return false, fmt.Errorf("restore: %w", err)
		}
		return true, nil
	case err != nil:
		return false, fmt.Errorf("restore: %w", err)
	case len(entries) > 0:
		return false, fmt.Errorf("%s is not empty (%s): restore only into an empty directory; move away what is there", dir, entries[0].Name())
	}
	return false, os.Chmod(dir, 0o700)
}

// put writes one entry; a name that came before is an error of O_EXCL.
func (r *restorer) put(work, name string, size int64, in io.Reader) error {
	var s unix.Statfs_t
	if err := unix.Statfs(work, &s); err != nil {
		return fmt.Errorf("ask for free space: %w", err)
	}
	if free := int64(s.Bavail) * s.Bsize; free-leftFree < size {
		return fmt.Errorf("the disk is too small: %s needs %d MiB, and %d MiB are free", name, size>>20, free>>20)
	}
	to := filepath.Join(work, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("the backup holds %s twice: it was not made by penstock backup", name)
	}
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, sum), in)
	if cerr := f.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("restore: %w", cerr)
	}
	if err != nil {
		return err
	}
	if hash, ok := strings.CutPrefix(name, "documents/"); ok && hash[3:] != hex.EncodeToString(sum.Sum(nil)) {
		return fmt.Errorf("%s holds other bytes than its name says: the backup is damaged", name)
	}
	r.moved(n)
	return nil
}

// unseal opens the keys, where there are some and somebody can.
func (r *restorer) unseal(work string, got restored) error {
	if r.identity == "" || got.keys == nil {
		if r.identity != "" {
			return errors.New("there are no keys in this backup (it was taken without --recipient): restore it without --identity")
		}
		return nil
	}
	ids, err := readIdentities(r.identity)
	if err != nil {
		return err
	}
	plain, err := age.Decrypt(bytes.NewReader(got.keys), ids...)
	if err != nil {
		if _, ok := errors.AsType[*age.NoIdentityMatchError](err); ok {
			return fmt.Errorf("the keys are sealed to %s, and %s does not open that", got.Keys, r.identity)
		}
		return fmt.Errorf("open the keys: %w", err)
	}
	in := tar.NewReader(plain)
	for n := 0; ; n++ {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("open the keys: %w", err)
		}
		if n >= maxKeys || h.Typeflag != tar.TypeReg || !keyFileName.MatchString(h.Name) || h.Size > maxKey {
			return fmt.Errorf("the sealed keys hold %.100q, which is no key", h.Name)
		}
		if h.Name == "log.pub" {
			continue // the one beside them is what the log is checked with
		}
		if err := r.put(work, "keys/"+h.Name, h.Size, in); err != nil {
			return err
		}
	}
}

// check reads the whole log and holds it to its own checkpoint and to those
// from outside; newest is the size of the largest of those.
func (r *restorer) check(ctx context.Context, work string, got restored) (newest audit.Index, err error) {
	v, err := audit.LogVerifier(filepath.Join(work, "keys"))
	if err != nil {
		return 0, fmt.Errorf("the backup is not whole: %w", err)
	}
	reader, err := audit.OpenReader(filepath.Join(work, "log"), v)
	if err != nil {
		return 0, fmt.Errorf("check the restored log: %w", err)
	}
	if reader.Size() != got.Size || reader.Head().Origin != got.Origin {
		return 0, errors.New("the backup's checkpoint is not the one that its manifest names")
	}
	outside, later, err := r.checkpoints(v, got.Size)
	if err != nil {
		return 0, err
	}
	for leaf, err := range reader.All(ctx, outside...) {
		if err != nil {
			return 0, fmt.Errorf("the log in the backup is damaged, or not the one that the given checkpoint is of: %w", err)
		}
		if leaf.Index >= got.Size {
			return 0, fmt.Errorf("the backup holds leaf %d, which no checkpoint covers", leaf.Index)
		}
	}
	return later, nil
}

// checkpoints reads what was kept elsewhere: those that this log must fit, and
// the size of the newest, which may be of what is lost.
func (r *restorer) checkpoints(v note.Verifier, size audit.Index) (fit []audit.Checkpoint, newest audit.Index, err error) {
	all, err := readCheckpoints(r.outside, func(b []byte) (audit.Checkpoint, error) { return audit.ParseCheckpoint(b, v) })
	for _, c := range all {
		newest = max(newest, c.Size)
		if c.Size <= size {
			fit = append(fit, c)
		}
	}
	return fit, newest, err
}

// moveIn moves everything into the data directory. keys comes last: without
// them no server begins anything on what is there.
func moveIn(work, dir string) error {
	if err := syncAll(work); err != nil {
		return err
	}
	for _, name := range []string{restoredFile, "documents", "recordings", "log", "keys"} {
		err := os.Rename(filepath.Join(work, name), filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) && name == "recordings" {
			continue // there were no sessions
		}
		if err != nil {
			return fmt.Errorf("restore: %w", err)
		}
	}
	if err := os.Remove(work); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return syncAll(dir)
}

func syncAll(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	defer d.Close()
	if err := unix.Syncfs(int(d.Fd())); err != nil {
		return fmt.Errorf("make the restored files durable: %w", err)
	}
	return nil
}

// tell says what was restored and what was not.
func (r *restorer) tell(got restored, newest audit.Index) {
	r.say("Restored %d files of %s into %s: %d leaves, taken %s by %s.", got.Files, got.Origin, r.dir, got.Size, got.Taken.UTC().Format(time.RFC3339), got.By)
	for _, n := range got.Notes {
		r.say("Not in the backup: %s.", visible(n))
	}
	switch {
	case newest > got.Size:
		r.say("This log is older than what left the machine: a checkpoint outside covers %d leaves, this backup %d. %d leaves are lost, "+
			"and new ones will take their numbers. Tell everybody who keeps a checkpoint.", newest, got.Size, newest-got.Size)
	case newest == 0:
		r.say("What was written after leaf %d is not in it. Compare with checkpoints that were kept elsewhere: penstock restore --checkpoint FILE, or penstock-verify --checkpoint FILE.", got.Size-1)
	default:
		r.say("No checkpoint that was shown is newer than this backup.")
	}
	switch {
	case got.keys == nil:
		r.say("There are no keys in this backup: bring back %s from where they are kept, else nobody can serve from it or read its recordings.", filepath.Join(r.dir, "keys"))
	case r.identity == "":
		r.say("Its keys are sealed to %s and stayed so: restore with --identity FILE to serve from it or to read its recordings.", got.Keys)
	}
	r.say("What was cut, blocked or disabled after the backup is not known to it. So the next serve lets nobody in until two people of the plant have looked " +
		"at windows and blocks and say: penstock clock accept --as …")
	r.say("Now: penstock-verify %s", r.dir)
}
