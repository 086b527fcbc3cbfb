package faultdisk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"penstock/audit/durable"
)

// When says where an operation breaks.
type When int

const (
	Never  When = iota
	Before      // nothing is done; the caller gets ErrInjected
	After       // it is done and kept as usual; the caller gets ErrInjected all the same
	Half        // of a write the first half is done; other operations: as Before
	Full        // as Half, and the error is ENOSPC too
)

var (
	// ErrInjected is the error of an operation that was made to fail.
	ErrInjected = errors.New("faultdisk: injected failure")
	// ErrPower is the error of a file that was open at a PowerCut.
	ErrPower = errors.New("faultdisk: the power was cut")
)

// Op is one operation that changes something.
type Op struct {
	Kind string // create, truncate, write, rename, remove, mkdir, sync, syncdir
	Name string // full path; of a rename, the new one
}

// Disk is the disk. Safe for concurrent use.
type Disk struct {
	root string

	mu    sync.Mutex
	top   *node
	life  int // one more with each PowerCut
	plan  func(Op) When
	fired bool
}

// node is a file or a folder, on both sides of the power.
type node struct {
	dir bool

	// A file: what the device has, and what was written since, in order.
	kept    []byte
	pending []write

	// A folder: names now, names that the device has, and changes since, in order.
	now     map[string]*node
	names   map[string]*node
	changes []change
}

type write struct {
	at       int64
	b        []byte
	truncate bool // to at
}

// change is a name's new node; nil: the name is gone. A rename is two at once.
type change map[string]*node

func newFolder() *node {
	return &node{dir: true, now: map[string]*node{}, names: map[string]*node{}}
}

// New makes a disk of a real folder; what is there already counts as kept.
func New(root string) *Disk {
	d := &Disk{root: filepath.Clean(root)}
	top, err := load(d.root)
	if err != nil {
		panic("faultdisk: " + err.Error())
	}
	d.top = top
	return d
}

func load(path string) (*node, error) {
	n := newFolder()
	list, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		var c *node
		if p := filepath.Join(path, e.Name()); e.IsDir() {
			c, err = load(p)
		} else {
			c = &node{}
			c.kept, err = os.ReadFile(p)
		}
		if err != nil {
			return nil, err
		}
		n.now[e.Name()], n.names[e.Name()] = c, c
	}
	return n, nil
}

// On makes plan decide about each operation; it is called with the disk locked.
func (d *Disk) On(plan func(Op) When) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan, d.fired = plan, false
}

// Fail breaks the n-th operation from now, n from 1, and no other.
func (d *Disk) Fail(n int, when When) {
	d.On(func(Op) When {
		if n--; n == 0 {
			return when
		}
		return Never
	})
}

// Fired says whether an operation was broken since the last On or Fail.
func (d *Disk) Fired() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fired
}

// act runs one operation under the plan. half, if there is one, does half of it.
func (d *Disk) act(op Op, half, do func() error) error {
	when := Never
	if d.plan != nil {
		when = d.plan(op)
	}
	if when == Never {
		return do()
	}
	d.fired = true
	var err error
	if when == Full {
		when, err = Half, syscall.ENOSPC
	}
	if when == Half && half == nil {
		when = Before
	}
	switch when {
	case After:
		err = errors.Join(err, do())
	case Half:
		err = errors.Join(err, half())
	}
	return errors.Join(fmt.Errorf("%s %s: %w", op.Kind, op.Name, ErrInjected), err)
}

// find walks to a path below the root.
func (d *Disk) find(name string) (folder *node, base string, err error) {
	rel, err := filepath.Rel(d.root, filepath.Clean(name))
	if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
		return nil, "", fmt.Errorf("faultdisk: %s is not below %s", name, d.root)
	}
	n := d.top
	parts := strings.Split(rel, "/")
	for _, p := range parts[:len(parts)-1] {
		if n = n.now[p]; n == nil || !n.dir {
			return nil, "", &os.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
	}
	return n, parts[len(parts)-1], nil
}

func (n *node) set(c change) {
	for name, x := range c {
		if x == nil {
			delete(n.now, name)
		} else {
			n.now[name] = x
		}
	}
	n.changes = append(n.changes, c)
}

// OpenFile is part of durable.FS.
func (d *Disk) OpenFile(name string, flag int, perm os.FileMode) (durable.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	folder, base, err := d.find(name)
	if err != nil {
		return nil, err
	}
	n := folder.now[base]
	f := &file{d: d, life: d.life, n: n}
	open := func() (err error) {
		f.real, err = os.OpenFile(name, flag, perm)
		return err
	}
	switch {
	case n == nil && flag&os.O_CREATE != 0:
		err = d.act(Op{"create", name}, nil, func() error {
			if err := open(); err != nil {
				return err
			}
			f.n = &node{}
			folder.set(change{base: f.n})
			return nil
		})
	case n != nil && flag&os.O_TRUNC != 0:
		err = d.act(Op{"truncate", name}, nil, func() error {
			n.pending = append(n.pending, write{truncate: true})
			return open()
		})
	default:
		err = open()
	}
	if err != nil {
		if f.real != nil {
			f.real.Close()
		}
		return nil, err
	}
	return f, nil
}

// Rename is part of durable.FS; both names are in one folder.
func (d *Disk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	folder, a, err := d.find(from)
	if err != nil {
		return err
	}
	other, b, err := d.find(to)
	if err != nil {
		return err
	}
	if folder != other {
		return fmt.Errorf("faultdisk: rename %s to %s: not within one folder", from, to)
	}
	return d.act(Op{"rename", to}, nil, func() error {
		if err := os.Rename(from, to); err != nil {
			return err
		}
		folder.set(change{a: nil, b: folder.now[a]})
		return nil
	})
}

// Remove is part of durable.FS.
func (d *Disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	folder, base, err := d.find(name)
	if err != nil {
		return err
	}
	return d.act(Op{"remove", name}, nil, func() error {
		if err := os.Remove(name); err != nil {
			return err
		}
		folder.set(change{base: nil})
		return nil
	})
}

// Mkdir is part of durable.FS.
func (d *Disk) Mkdir(name string, perm os.FileMode) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	folder, base, err := d.find(name)
	if err != nil {
		return err
	}
	return d.act(Op{"mkdir", name}, nil, func() error {
		if err := os.Mkdir(name, perm); err != nil {
			return err
		}
		folder.set(change{base: newFolder()})
		return nil
	})
}

// ReadDir is part of durable.FS.
func (d *Disk) ReadDir(name string) ([]os.DirEntry, error) { return os.ReadDir(name) }

// Stat is part of durable.FS.
func (d *Disk) Stat(name string) (os.FileInfo, error) { return os.Stat(name) }

// SyncDir is part of durable.FS: the names of the folder are kept from now on.
func (d *Disk) SyncDir(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.top
	if filepath.Clean(name) == filepath.Dir(d.root) {
		return nil // the folder that the disk itself stands in
	}
	if filepath.Clean(name) != d.root {
		folder, base, err := d.find(name)
		if err != nil {
			return err
		}
		if n = folder.now[base]; n == nil || !n.dir {
			return &os.PathError{Op: "sync", Path: name, Err: fs.ErrNotExist}
		}
	}
	return d.act(Op{"syncdir", name}, nil, func() error {
		n.keepNames(len(n.changes))
		return nil
	})
}

func (n *node) keepNames(count int) {
	for _, c := range n.changes[:count] {
		for name, x := range c {
			if x == nil {
				delete(n.names, name)
			} else {
				n.names[name] = x
			}
		}
	}
	n.changes = nil
}

// Keep decides what of unsynced work outlives a PowerCut.
type Keep struct {
	all bool
	rng *rand.Rand
}

// Lost keeps nothing that was not synced.
func Lost() Keep { return Keep{} }

// All keeps everything, as after a kill -9.
func All() Keep { return Keep{all: true} }

// Torn keeps by chance: of a folder's changes the first few, of a file's writes
// any of their sectors, in any order; what is missing in between is zeros.
func Torn(rng *rand.Rand) Keep { return Keep{rng: rng} }

// sector is what a device writes whole or not at all, in bytes.
const sector = 512

// PowerCut ends the life of every open file, and leaves in the folder what was
// kept. What breaks operations is over too.
func (d *Disk) PowerCut(k Keep) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.life++
	d.plan = nil
	d.top.settle(k)
	list, err := os.ReadDir(d.root)
	if err != nil {
		return err
	}
	for _, e := range list {
		if err := os.RemoveAll(filepath.Join(d.root, e.Name())); err != nil {
			return err
		}
	}
	return d.top.store(d.root)
}

// settle makes of a node what the device has after the cut.
func (n *node) settle(k Keep) {
	if !n.dir {
		n.kept, n.pending = n.survives(k), nil
		return
	}
	count := 0
	switch {
	case k.all:
		count = len(n.changes)
	case k.rng != nil:
		count = k.rng.IntN(len(n.changes) + 1)
	}
	n.keepNames(count)
	n.now = map[string]*node{}
	for name, x := range n.names {
		n.now[name] = x
		x.settle(k)
	}
}

func (n *node) survives(k Keep) []byte {
	b := append([]byte(nil), n.kept...)
	for _, w := range n.pending {
		switch {
		case k.all:
			b = w.apply(b)
		case k.rng == nil:
		case w.truncate:
			if k.rng.IntN(2) == 0 {
				b = w.apply(b)
			}
		default:
			for at := 0; at < len(w.b); {
				n := min(len(w.b)-at, sector-int((w.at+int64(at))%sector))
				if k.rng.IntN(2) == 0 {
					b = write{at: w.at + int64(at), b: w.b[at : at+n]}.apply(b)
				}
				at += n
			}
		}
	}
	return b
}

func (w write) apply(b []byte) []byte {
	end := int(w.at) + len(w.b)
	if w.truncate && len(b) > end {
		return b[:end]
	}
	for len(b) < end {
		b = append(b, 0)
	}
	copy(b[w.at:], w.b)
	return b
}

func (n *node) store(path string) error {
	for name, x := range n.names {
		p := filepath.Join(path, name)
		var err error
		if x.dir {
			if err = os.Mkdir(p, 0o700); err == nil {
				err = x.store(p)
			}
		} else {
			err = os.WriteFile(p, x.kept, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// file is an open file of one life.
type file struct {
	d    *Disk
	life int
	n    *node
	real *os.File
}

func (f *file) Name() string               { return f.real.Name() }
func (f *file) Stat() (os.FileInfo, error) { return f.real.Stat() }
func (f *file) Close() error               { return f.real.Close() }

func (f *file) Read(b []byte) (int, error) {
	if err := f.alive(); err != nil {
		return 0, err
	}
	return f.real.Read(b)
}

func (f *file) ReadAt(b []byte, at int64) (int, error) {
	if err := f.alive(); err != nil {
		return 0, err
	}
	return f.real.ReadAt(b, at)
}

func (f *file) alive() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	return f.dead()
}

func (f *file) dead() error {
	if f.life != f.d.life {
		return fmt.Errorf("%s: %w", f.Name(), ErrPower)
	}
	return nil
}

// Write writes at the file's place.
func (f *file) Write(b []byte) (int, error) {
	return f.write(b, f.real.Write, func(n int) (int64, error) {
		end, err := f.real.Seek(0, io.SeekCurrent)
		return end - int64(n), err
	})
}

// WriteAt writes at a given place.
func (f *file) WriteAt(b []byte, at int64) (int, error) {
	return f.write(b, func(b []byte) (int, error) { return f.real.WriteAt(b, at) },
		func(int) (int64, error) { return at, nil })
}

// write does it, and remembers it as not kept yet; start tells afterwards
// where it began.
func (f *file) write(b []byte, do func([]byte) (int, error), start func(n int) (int64, error)) (n int, err error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.dead(); err != nil {
		return 0, err
	}
	some := func(b []byte) error {
		var err error
		n, err = do(b)
		at, errStart := start(n)
		f.n.pending = append(f.n.pending, write{at: at, b: append([]byte(nil), b[:n]...)})
		return errors.Join(err, errStart)
	}
	err = f.d.act(Op{"write", f.Name()}, func() error { return some(b[:len(b)/2]) }, func() error { return some(b) })
	return n, err
}

// Truncate changes the size.
func (f *file) Truncate(size int64) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.dead(); err != nil {
		return err
	}
	return f.d.act(Op{"truncate", f.Name()}, nil, func() error {
		f.n.pending = append(f.n.pending, write{at: size, truncate: true})
		return f.real.Truncate(size)
	})
}

// Sync keeps what was written. One that fails before it persists loses it.
func (f *file) Sync() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.dead(); err != nil {
		return err
	}
	err := f.d.act(Op{"sync", f.Name()}, nil, func() error {
		for _, w := range f.n.pending {
			f.n.kept = w.apply(f.n.kept)
		}
		return nil
	})
	f.n.pending = nil
	return err
}
