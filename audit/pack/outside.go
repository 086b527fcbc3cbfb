package pack

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"penstock/audit"
	"penstock/audit/verify"
)

const (
	maxBatch  = 16 << 20 // bytes of head lines that one leaf commits to
	maxCopies = 1 << 30  // one file of receipts
	newest    = 3        // copies of one place that go along
)

var (
	headsName   = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}\.txt$`)
	receiptName = regexp.MustCompile(`^([a-z][a-z0-9-]{0,31})\.[0-9]{4}-[0-9]{2}\.txt$`)
)

// outside writes the newest copies of each place, from the broker's receipts,
// each with the proof that the pack's checkpoint continues it (RFC 6962 section 2.1.2).
func (p *writer) outside() error {
	dir := filepath.Join(p.Dir, "log", "outside")
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	last := map[string]string{} // the newest file of each place; names sort by month
	for _, e := range entries {
		if m := receiptName.FindStringSubmatch(e.Name()); m != nil {
			last[m[1]] = e.Name()
		}
	}
	for _, place := range slices.Sorted(maps.Keys(last)) {
		if err := p.copies(place, filepath.Join(dir, last[place])); err != nil {
			return err
		}
	}
	return nil
}

func (p *writer) copies(place, path string) error {
	info, err := os.Stat(path)
	if err != nil || info.Size() > maxCopies {
		return errors.Join(err, fmt.Errorf("%s: %d bytes of receipts are more than can be", place, info.Size()))
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	found := map[audit.Index]audit.Checkpoint{}
	for _, b := range audit.FindNotes(text) {
		c, err := audit.ParseCheckpoint(b, p.Key)
		if err == nil && c.Size > 0 && c.Size <= p.r.Size() {
			found[c.Size] = c
		}
	}
	sizes := slices.Sorted(maps.Keys(found))
	for _, size := range sizes[max(0, len(sizes)-newest):] {
		proof, err := p.r.ProveTree(size, p.r.Size())
		if err != nil {
			return err
		}
		name := fmt.Sprintf("%s%s.%d", outsideFolder, place, size)
		if err := p.bytes(name+".checkpoint", found[size].Note); err != nil {
			return err
		}
		if err := p.bytes(name+".consistency", hashes(proof)); err != nil {
			return err
		}
	}
	return nil
}

// hashes is a proof as lines of base64.
func hashes(proof tlog.TreeProof) []byte {
	var b bytes.Buffer
	for _, h := range proof {
		fmt.Fprintln(&b, h)
	}
	return b.Bytes()
}

func parseHashes(b []byte) (proof tlog.TreeProof, err error) {
	for line := range strings.Lines(string(b)) {
		h, err := tlog.ParseHash(strings.TrimSuffix(line, "\n"))
		if err != nil || len(proof) >= 128 {
			return nil, errors.New("is no proof of consistency")
		}
		proof = append(proof, h)
	}
	return proof, nil
}

// outside holds the copies in the pack, and those that the checker kept, to the
// pack's checkpoint.
func (c *checker) outside(v note.Verifier) {
	inside := map[audit.Index]audit.Checkpoint{c.head.Size: c.head}
	by := map[audit.Index][]string{}
	for name := range c.files {
		base, ok := strings.CutSuffix(name, ".checkpoint")
		if !ok || !strings.HasPrefix(name, outsideFolder) {
			continue
		}
		cp, err := c.continued(v, base)
		if err != nil {
			c.wrong(name, "%v", err)
			continue
		}
		inside[cp.Size] = cp
		found, others, err := audit.Cosignatures(cp.Note, v, c.trust.Witnesses...)
		if err != nil {
			c.wrong(name, "carries a false signature in the name of a witness: %v", err)
		}
		for _, w := range found {
			by[cp.Size] = append(by[cp.Size], fmt.Sprintf("%s, cosigned %s by %s", strings.TrimPrefix(name, outsideFolder), w.At.Format("2006-01-02T15:04:05Z07:00"), w.Witness))
		}
		if others > 0 && len(c.trust.Witnesses) == 0 {
			c.note(name, "was signed by a witness, too; give its key (--witness) and that is checked")
		}
	}
	c.kept(v, inside, by)
	from := audit.Index(0)
	for _, size := range slices.Sorted(maps.Keys(by)) {
		slices.Sort(by[size])
		c.report.Stretches = append(c.report.Stretches, verify.Stretch{From: from, To: size, By: by[size]})
		from = size
	}
	if from == 0 {
		c.note("log", "no outside checkpoint was given that fits a copy in the pack: somebody with the broker's key could have written all of it anew")
	} else if from < c.head.Size {
		c.note("log", "copies outside cover the first %d leaves; the %d after it could have been rewritten by somebody with the broker's key", from, c.head.Size-from)
	}
}

// continued reads one copy and holds it to its proof.
func (c *checker) continued(v note.Verifier, base string) (audit.Checkpoint, error) {
	b, err := c.small(base + ".checkpoint")
	if err != nil {
		return audit.Checkpoint{}, err
	}
	cp, err := audit.ParseCheckpoint(b, v)
	if err != nil {
		return cp, fmt.Errorf("is not one of this log: %w", err)
	}
	if !strings.HasSuffix(base, "."+strconv.FormatUint(uint64(cp.Size), 10)) {
		return cp, errors.New("is of another size than its name says")
	}
	text, err := c.small(base + ".consistency")
	if err != nil {
		return cp, err
	}
	proof, err := parseHashes(text)
	if err != nil {
		return cp, err
	}
	switch {
	case cp.Size > c.head.Size:
		return cp, fmt.Errorf("covers %d leaves, and the pack's checkpoint %d: it is from the future", cp.Size, c.head.Size)
	case cp.Size == c.head.Size && cp.Root != c.head.Root:
		return cp, errors.New("and the pack's checkpoint are of two different trees of one size: a fork")
	case cp.Size == c.head.Size:
		return cp, nil
	}
	if tlog.CheckTree(proof, int64(c.head.Size), tlog.Hash(c.head.Root), int64(cp.Size), tlog.Hash(cp.Root)) != nil {
		return cp, errors.New("is not continued by the pack's checkpoint: the log was rewritten, or is a fork")
	}
	return cp, nil
}

// kept compares what the checker brought; a pack has no tree, so only sizes
// that it has a copy of can be compared.
func (c *checker) kept(v note.Verifier, inside map[audit.Index]audit.Checkpoint, by map[audit.Index][]string) {
	for _, k := range c.trust.Checkpoints {
		notes := audit.FindNotes(k.Text)
		if len(notes) == 0 {
			c.wrong(k.Name, "holds no checkpoint")
		}
		met := 0
		for _, b := range notes {
			cp, err := audit.ParseCheckpoint(b, v)
			if err != nil {
				c.wrong(k.Name, "is not one of this log: %v", err)
				continue
			}
			have, ok := inside[cp.Size]
			switch {
			case ok && have.Root != cp.Root:
				c.wrong(k.Name, "was signed for %d other leaves: the log was rewritten, or is a fork", cp.Size)
			case ok:
				met++
				c.report.Outside++
				by[cp.Size] = append(by[cp.Size], k.Name)
			}
		}
		if met == 0 && len(notes) > 0 {
			c.note(k.Name, "is of a size that the pack has no copy of, so it cannot be compared; the data folder can")
		}
	}
}
