package audit

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Proof shows offline that a leaf is in the log: C2SP tlog-proof. Extra holds
// the canonical leaf, so that the proof needs nothing beside it but the key.
type Proof struct {
	Index      Index
	Hashes     tlog.RecordProof // RFC 6962 section 2.1.1, the leaf's sibling first
	Checkpoint []byte           // signed note
	Extra      []byte           // the canonical leaf; believed only once Check has hashed it
}

const proofHeader = "c2sp.org/tlog-proof@v1"

// Marshal is the text form (file extension .tlog-proof).
func (p Proof) Marshal() []byte {
	var b bytes.Buffer
	fmt.Fprintln(&b, proofHeader)
	if len(p.Extra) > 0 {
		fmt.Fprintf(&b, "extra %s\n", base64.StdEncoding.EncodeToString(p.Extra))
	}
	fmt.Fprintf(&b, "index %d\n", p.Index)
	for _, h := range p.Hashes {
		fmt.Fprintln(&b, h)
	}
	b.WriteByte('\n')
	b.Write(p.Checkpoint)
	return b.Bytes()
}

// ParseProof reads the text form; it checks no signature (Check does).
func ParseProof(b []byte) (Proof, error) {
	p, err := parseProof(b)
	if err != nil {
		return Proof{}, fmt.Errorf("tlog-proof: %w", err)
	}
	return p, nil
}

func parseProof(b []byte) (p Proof, err error) {
	if len(b) > 2*maxNote {
		return p, errors.New("too long")
	}
	head, note, ok := strings.Cut(string(b), "\n\n")
	if !ok {
		return p, errors.New("no empty line before the checkpoint")
	}
	p.Checkpoint = []byte(note)
	lines := strings.Split(head, "\n")
	if lines[0] != proofHeader {
		return p, fmt.Errorf("the first line is not %s", proofHeader)
	}
	lines = lines[1:]
	if len(lines) > 0 && strings.HasPrefix(lines[0], "extra ") {
		if p.Extra, err = base64.StdEncoding.Strict().DecodeString(lines[0][len("extra "):]); err != nil {
			return p, fmt.Errorf("extra: %w", err)
		}
		lines = lines[1:]
	}
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "index ") {
		return p, errors.New("no index")
	}
	digits := lines[0][len("index "):]
	n, err := strconv.ParseUint(digits, 10, 53)
	if err != nil || strconv.FormatUint(n, 10) != digits {
		return p, errors.New("the index is no decimal number below 2^53")
	}
	p.Index = Index(n)
	if len(lines)-1 > 64 {
		return p, errors.New("more hashes than a tree has levels")
	}
	for _, l := range lines[1:] {
		h, err := tlog.ParseHash(l)
		if err != nil || h.String() != l {
			return p, fmt.Errorf("%.60q is no hash in base64", l)
		}
		p.Hashes = append(p.Hashes, h)
	}
	return p, nil
}

// Check verifies the proof with the log's key and nothing else, and gives the leaf.
func (p Proof) Check(v note.Verifier) (Leaf, error) {
	c, err := ParseCheckpoint(p.Checkpoint, v)
	if err != nil {
		return Leaf{}, err
	}
	if p.Index >= c.Size {
		return Leaf{}, fmt.Errorf("tlog-proof: leaf %d of a log of %d", p.Index, c.Size)
	}
	if err := tlog.CheckRecord(p.Hashes, int64(c.Size), c.root(), int64(p.Index), tlog.RecordHash(p.Extra)); err != nil {
		return Leaf{}, fmt.Errorf("tlog-proof: this leaf is not at %d under the checkpoint: %w", p.Index, err)
	}
	leaf, err := ParseLeaf(p.Extra)
	if err == nil && leaf.Index != p.Index {
		err = fmt.Errorf("tlog-proof: the leaf says that it is number %d", leaf.Index)
	}
	if err != nil {
		return Leaf{}, err
	}
	return leaf, nil
}

// Prove is the audit path of a leaf in the tree of the first size leaves.
func (l *Log) Prove(at, size Index) (tlog.RecordProof, error) {
	if at >= size || size > l.Size() {
		return nil, fmt.Errorf("prove leaf %d in a tree of %d: the log has %d: %w", at, size, l.Size(), fs.ErrNotExist)
	}
	return tlog.ProveRecord(int64(size), int64(at), l.hashes)
}

// ProveTree shows that the tree of size to begins with the tree of size from; from is not 0.
func (l *Log) ProveTree(from, to Index) (tlog.TreeProof, error) {
	if from == 0 || from > to || to > l.Size() {
		return nil, fmt.Errorf("prove the tree of %d in that of %d: the log has %d: %w", from, to, l.Size(), fs.ErrNotExist)
	}
	return tlog.ProveTree(int64(to), int64(from), l.hashes)
}

// RootAt is the RFC 6962 root of the first size leaves; size is not 0.
func (l *Log) RootAt(size Index) (Hash, error) {
	if size == 0 || size > l.Size() {
		return Hash{}, fmt.Errorf("root of %d leaves: the log has %d: %w", size, l.Size(), fs.ErrNotExist)
	}
	root, err := tlog.TreeHash(int64(size), l.hashes)
	if err != nil {
		return Hash{}, fmt.Errorf("root of %d leaves: %w", size, err)
	}
	return Hash(root), nil
}

// Proof proves a leaf under the newest checkpoint.
func (l *Log) Proof(ctx context.Context, at Index) (Proof, error) {
	l.mu.Lock()
	size, note, root := l.size, l.checkpoint, l.root
	l.mu.Unlock()
	leaf, err := l.Leaf(ctx, Place{l.o.Node, at})
	if err != nil {
		return Proof{}, err
	}
	path, err := l.Prove(at, size)
	if err != nil {
		return Proof{}, err
	}
	return assemble(leaf, path, Checkpoint{Size: size, Root: Hash(root), Note: note})
}

// assemble makes a proof, and holds it to the root before anybody gets it.
func assemble(leaf Leaf, path tlog.RecordProof, c Checkpoint) (Proof, error) {
	b, err := leaf.Canonical()
	if err != nil {
		return Proof{}, err
	}
	if err := tlog.CheckRecord(path, int64(c.Size), c.root(), int64(leaf.Index), tlog.RecordHash(b)); err != nil {
		return Proof{}, fmt.Errorf("prove leaf %d: it is not under the root: %w", leaf.Index, err)
	}
	return Proof{Index: leaf.Index, Hashes: path, Checkpoint: c.Note, Extra: b}, nil
}

// Prove is the audit path of a leaf in the tree of the first size leaves, of
// those that the stored checkpoint covers.
func (r *Reader) Prove(at, size Index) (tlog.RecordProof, error) {
	if at >= size || size > r.head.Size {
		return nil, fmt.Errorf("prove leaf %d in a tree of %d: the checkpoint covers %d: %w", at, size, r.head.Size, fs.ErrNotExist)
	}
	var p tlog.RecordProof
	err := r.withHashes(func(h tlog.HashReader) (err error) {
		p, err = tlog.ProveRecord(int64(size), int64(at), h)
		return err
	})
	return p, err
}

// ProveTree shows that the tree of size to begins with the tree of size from; from is not 0.
func (r *Reader) ProveTree(from, to Index) (tlog.TreeProof, error) {
	if from == 0 || from > to || to > r.head.Size {
		return nil, fmt.Errorf("prove the tree of %d in that of %d: the checkpoint covers %d: %w", from, to, r.head.Size, fs.ErrNotExist)
	}
	var p tlog.TreeProof
	err := r.withHashes(func(h tlog.HashReader) (err error) {
		p, err = tlog.ProveTree(int64(to), int64(from), h)
		return err
	})
	return p, err
}

// Proof proves a leaf under the stored checkpoint.
func (r *Reader) Proof(ctx context.Context, at Index) (Proof, error) {
	if at >= r.head.Size {
		return Proof{}, fmt.Errorf("prove leaf %d: the checkpoint covers %d: %w", at, r.head.Size, fs.ErrNotExist)
	}
	leaf, err := r.Leaf(ctx, at)
	if err != nil {
		return Proof{}, err
	}
	path, err := r.Prove(at, r.head.Size)
	if err != nil {
		return Proof{}, err
	}
	return assemble(leaf, path, r.head)
}

// withHashes gives f the tree's hashes: from the file hashes where it gives
// the signed root, else made from the entries in memory (64 bytes a leaf).
func (r *Reader) withHashes(f func(tlog.HashReader) error) error {
	if file, err := r.openHashes(); err == nil {
		defer file.Close()
		return f(hashFile{file})
	}
	stored, err := r.storedHashes()
	if err != nil {
		return err
	}
	return f(stored)
}

func (r *Reader) storedHashes() (tlog.HashReader, error) {
	c := &cursor{s: r.segs}
	defer c.close()
	var tree frontier
	var stored []tlog.Hash
	for c.at < r.head.Size {
		e, err := c.next()
		if err != nil {
			return nil, fmt.Errorf("make the tree of %s: %w", r.dir, err)
		}
		stored = tree.add(stored, tlog.RecordHash(e.leaf))
	}
	return tlog.HashReaderFunc(func(at []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(at))
		for i, x := range at {
			if x < 0 || x >= int64(len(stored)) {
				return nil, fmt.Errorf("no hash %d", x)
			}
			out[i] = stored[x]
		}
		return out, nil
	}), nil
}

// Proofs yields the leaves that want names, in order, each proved under the
// stored checkpoint, in one pass over the log. Damage on the way ends it.
func (r *Reader) Proofs(ctx context.Context, want func(Index) bool) iter.Seq2[Proof, error] {
	return func(yield func(Proof, error) bool) {
		err := r.withHashes(func(h tlog.HashReader) error {
			for leaf, err := range r.From(ctx, 0) {
				if err != nil {
					return err
				}
				if leaf.Index >= r.head.Size {
					return nil
				}
				if !want(leaf.Index) {
					continue
				}
				path, err := tlog.ProveRecord(int64(r.head.Size), int64(leaf.Index), h)
				if err != nil {
					return err
				}
				p, err := assemble(leaf, path, r.head)
				if err != nil {
					return err
				}
				if !yield(p, nil) {
					return nil
				}
			}
			return nil
		})
		if err != nil {
			yield(Proof{}, err)
		}
	}
}
