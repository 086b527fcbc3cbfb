package audit

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"penstock/audit/durable"
)

// MaxDocument is the most bytes that one document has.
const MaxDocument = 16 << 20

// Documents keeps bytes by hash beside the log (DATA/documents/ab/<sha256>).
// Put comes before the event that names the document; what no leaf names is
// swept at start. Safe for concurrent use.
type Documents struct {
	dir  string
	disk *durable.Disk

	sweeping sync.RWMutex // held by Put for reading, by Sweep folder by folder; before mu

	mu     sync.Mutex
	synced map[string]bool   // fan-out folders whose entry this process has made durable; at most 256
	fresh  map[Hash]struct{} // put since the opening; nil once swept
	over   bool              // fresh was full: Sweep does not know enough any more
}

// maxFresh bounds what is remembered until Sweep: it is called at start.
const maxFresh = 1 << 16

// OpenDocuments opens or makes the folder.
func OpenDocuments(dir string, disk *durable.Disk) (*Documents, error) {
	if err := disk.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open documents: %w", err)
	}
	// The folder may be the work of a life that ended before it was durable.
	if err := disk.SyncDir(filepath.Dir(dir)); err != nil {
		return nil, fmt.Errorf("open documents: %w", err)
	}
	return &Documents{dir: dir, disk: disk, synced: map[string]bool{}, fresh: map[Hash]struct{}{}}, nil
}

func (d *Documents) path(h Hash) (folder, file string) {
	name := hex.EncodeToString(h[:])
	folder = filepath.Join(d.dir, name[:2])
	return folder, filepath.Join(folder, name)
}

// Put is durable on return (file, then folder). Putting the same bytes again
// is safe; bytes that are there already are made durable all the same. More
// than MaxDocument bytes are an error.
func (d *Documents) Put(ctx context.Context, b []byte) (Hash, error) {
	h := HashOf(b)
	if len(b) > MaxDocument {
		return Hash{}, fmt.Errorf("a document of %d bytes, and %d is the most", len(b), MaxDocument)
	}
	if err := ctx.Err(); err != nil {
		return Hash{}, fmt.Errorf("put document: %w", err)
	}
	d.sweeping.RLock()
	defer d.sweeping.RUnlock()
	d.remember(h)
	folder, file := d.path(h)
	if err := d.folder(folder); err != nil {
		return Hash{}, fmt.Errorf("put document %s: %w", h, err)
	}
	there, err := d.present(h, file)
	if err == nil && there {
		return h, nil
	}
	if err == nil {
		err = d.disk.WriteFile(file, b, 0o600)
	}
	if err != nil {
		return Hash{}, fmt.Errorf("put document %s: %w", h, err)
	}
	return h, nil
}

// remember keeps h from being swept: its event is still to come.
func (d *Documents) remember(h Hash) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fresh == nil {
		return
	}
	if len(d.fresh) >= maxFresh {
		d.over = true
		return
	}
	d.fresh[h] = struct{}{}
}

// folder makes a fan-out folder durable, once in the life of the process.
func (d *Documents) folder(path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.synced[path] {
		return nil
	}
	if err := d.disk.MkdirAll(path, 0o700); err != nil {
		return err
	}
	if err := d.disk.SyncDir(d.dir); err != nil {
		return err
	}
	d.synced[path] = true
	return nil
}

// present says whether the document is there, whole and, by now, durable: it
// may have been written by a life that ended before its folder was synced. A
// damaged file is written anew.
func (d *Documents) present(h Hash, file string) (bool, error) {
	b, err := d.read(file)
	if errors.Is(err, fs.ErrNotExist) || err == nil && HashOf(b) != h {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	f, err := d.disk.FS().OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return false, err
	}
	defer f.Close()
	if err := d.disk.SyncNow(f); err != nil {
		return false, err
	}
	return true, d.disk.SyncDir(filepath.Dir(file))
}

// Get reads and checks; fs.ErrNotExist if absent, another error if the bytes do not fit the hash.
func (d *Documents) Get(ctx context.Context, h Hash) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("get document: %w", err)
	}
	_, file := d.path(h)
	b, err := d.read(file)
	if err != nil {
		return nil, fmt.Errorf("get document %s: %w", h, err)
	}
	if HashOf(b) != h {
		return nil, fmt.Errorf("get document %s: %s holds other bytes (%s): bring it back from a backup", h, file, HashOf(b))
	}
	return b, nil
}

func (d *Documents) read(file string) ([]byte, error) {
	f, err := d.disk.FS().OpenFile(file, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, MaxDocument+1))
	if err == nil && len(b) > MaxDocument {
		err = fmt.Errorf("%s: more than %d bytes", file, MaxDocument)
	}
	return b, err
}

// Sweep removes what no leaf names: documents for which named is false, and
// unfinished files. It is for start-up, once. What was put since the opening
// stays, because its event may still be to come; the clock has no say in that.
// It returns how many files it removed.
func (d *Documents) Sweep(ctx context.Context, named func(Hash) bool) (removed int, err error) {
	d.mu.Lock()
	again, over := d.fresh == nil, d.over
	d.mu.Unlock()
	if again || over {
		return 0, errors.New("sweep documents: only at start, once, before much was put")
	}
	folders, err := d.disk.FS().ReadDir(d.dir)
	if err != nil {
		return 0, fmt.Errorf("sweep documents: %w", err)
	}
	for _, folder := range folders {
		if !folder.IsDir() || len(folder.Name()) != 2 {
			continue
		}
		n, err := d.sweepFolder(ctx, filepath.Join(d.dir, folder.Name()), named)
		removed += n
		if err != nil {
			return removed, fmt.Errorf("sweep documents: %w", err)
		}
	}
	d.mu.Lock()
	d.fresh = nil
	d.mu.Unlock()
	return removed, nil
}

func (d *Documents) sweepFolder(ctx context.Context, dir string, named func(Hash) bool) (removed int, err error) {
	d.sweeping.Lock() // no Put is half done
	defer d.sweeping.Unlock()
	files, err := d.disk.FS().ReadDir(dir)
	if err != nil {
		return 0, err
	}
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return removed, err
		}
		if !d.sweepable(f.Name(), named) {
			continue
		}
		if err := d.disk.FS().Remove(filepath.Join(dir, f.Name())); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, nil
}

// sweepable: an unfinished file, or a document that neither a leaf nor this
// life of the process knows. A name that is not ours stays.
func (d *Documents) sweepable(name string, named func(Hash) bool) bool {
	if durable.IsTemporary(name) {
		return true
	}
	h, err := ParseHash("sha256:" + name)
	if err != nil {
		return false
	}
	d.mu.Lock()
	_, fresh := d.fresh[h]
	over := d.over
	d.mu.Unlock()
	return !fresh && !over && !named(h)
}
